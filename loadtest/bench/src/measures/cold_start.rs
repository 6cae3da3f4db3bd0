//! Measure 9: from the execution of a function's file to its first call for work, beside a function that does nothing;
//! on a whole processor and on a slice of one. And the size of what is deployed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::{Effort, FAR_TARGET, fresh_ids};
use crate::error::BenchError;
use crate::events::{self, payload};
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::statistics::Sample;
use crate::stub::{Stub, Table};

/// Shares of a processor, in percent: those of functions with 128 and 256 MB.
const SLICES: [(f64, Bar); 2] = [(14.5, Bar::AtMost(120.0)), (7.2, Bar::None)];
/// How often a slice is dealt out, in microseconds. Lambda deals out the like; a longer period would let a whole start
/// pass within one.
const PERIOD_MICROS: u32 = 20_000;
/// Invocations after which a function is warm.
const WARM: usize = 20;
/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// Milliseconds of each start.
#[derive(Default)]
struct Starts {
    hello: Vec<f64>,
    ours: Vec<f64>,
}

/// Cold starts and sizes.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for name in ["ingest", "worker"] {
        match starts(name, effort.starts, None).await {
            Ok(starts) => rows.extend(whole(name, &starts)),
            Err(error) => rows.push(
                Row::new(9, format!("cold start, {name}"), "-", Bar::AtMost(2.0))
                    .noting(error.to_string()),
            ),
        }
    }
    for (percent, bar) in SLICES {
        let row =
            Row::new(9, format!("cold start, ingest, {percent} % of a processor, ms"), "-", bar);
        rows.push(match Group::new(percent) {
            Ok(group) => match starts("ingest", effort.starts.min(20), Some(&group.0)).await {
                Ok(starts) => row
                    .measured(&starts.ours)
                    .noting(format!("hello {:.0} ms", Sample::of(&starts.hello).median)),
                Err(error) => row.noting(error.to_string()),
            },
            Err(error) => row.noting(format!("no control group may be made here: {error}")),
        });
    }
    let row = Row::new(9, "first invocation / warm, ingest, full", "1.0", Bar::AtMost(3.0));
    rows.push(match first(effort.repeats).await {
        Ok(values) => row.measured(&values),
        Err(error) => row.noting(error.to_string()),
    });
    for name in ["ingest", "worker"] {
        let row = Row::new(9, format!("zip, {name}, MiB"), "-", Bar::AtMost(5.0));
        rows.push(match zipped(&Program::beside(name).path) {
            Ok((whole, zipped)) => row.counted(zipped).noting(format!("{whole:.1} MiB unpacked")),
            Err(error) => row.noting(error.to_string()),
        });
    }
    rows
}

fn whole(name: &str, starts: &Starts) -> [Row; 2] {
    let (hello, ours) = (Sample::of(&starts.hello).median, Sample::of(&starts.ours));
    let note =
        format!("{:.1} ms ({:.1}-{:.1}), hello {hello:.1} ms", ours.median, ours.min, ours.max);
    let more: Vec<_> = starts.ours.iter().map(|one| one - hello).collect();
    let times: Vec<_> = starts.ours.iter().map(|one| one / hello).collect();
    [
        Row::new(9, format!("cold start, {name} - hello, ms"), "0", Bar::AtMost(8.0))
            .measured(&more)
            .noting(note),
        Row::new(9, format!("cold start, {name} / hello"), "1.0", Bar::AtMost(2.0))
            .measured(&times),
    ]
}

/// Starts both in turns.
async fn starts(name: &str, count: usize, group: Option<&Path>) -> Result<Starts, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let settings = variables(&stub, Profile::Full);
    let (hello, ours) = (Program::beside("relay-bench-hello"), Program::beside(name));
    let mut starts = Starts::default();
    // The first of each finds its file not in memory yet, which says something of the disk.
    for number in 0..=count {
        for (program, times) in [(&hello, &mut starts.hello), (&ours, &mut starts.ours)] {
            let (function, took) = Function::start_cold(program, &settings, group).await?;
            function.end().await;
            if number > 0 {
                times.push(took.as_secs_f64() * 1000.0);
            }
        }
    }
    Ok(starts)
}

/// The first invocation of new processes over a warm one.
async fn first(count: usize) -> Result<Vec<f64>, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let program = Program::beside("ingest");
    let payload = payload(1024);
    let mut values = Vec::new();
    for _ in 0..count {
        let mut function = Function::start(&program, &variables(&stub, Profile::Full)).await?;
        let mut times = Vec::new();
        for id in fresh_ids(1 + WARM) {
            let begun = Instant::now();
            function.invoke(events::single(&id, FAR_TARGET, &payload)).await?;
            times.push(begun.elapsed().as_secs_f64());
        }
        values.push(times[0] / Sample::of(&times[WARM / 2..]).median);
        function.end().await;
    }
    Ok(values)
}

/// MiB of the file, and of it in a zip.
fn zipped(path: &Path) -> Result<(f64, f64), BenchError> {
    let wrong = |source| BenchError::File { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(wrong)?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&bytes).map_err(wrong)?;
    let zipped = encoder.finish().map_err(wrong)?;
    Ok((bytes.len() as f64 / MIB, zipped.len() as f64 / MIB))
}

/// A control group with a slice of a processor; it is removed when it is dropped.
struct Group(PathBuf);

impl Group {
    fn new(percent: f64) -> Result<Self, BenchError> {
        let quota = (f64::from(PERIOD_MICROS) * percent / 100.0).round();
        let name = format!("relay-bench-{}", std::process::id());
        let (folder, files) = if Path::new("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").exists() {
            let files = vec![
                ("cpu.cfs_period_us", PERIOD_MICROS.to_string()),
                ("cpu.cfs_quota_us", quota.to_string()),
            ];
            (Path::new("/sys/fs/cgroup/cpu").join(name), files)
        } else {
            let files = vec![("cpu.max", format!("{quota} {PERIOD_MICROS}"))];
            (Path::new("/sys/fs/cgroup").join(name), files)
        };
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |source| BenchError::File { path, source }
        };
        fs::create_dir(&folder).map_err(wrong(&folder))?;
        let group = Self(folder);
        for (file, text) in files {
            let path = group.0.join(file);
            fs::write(&path, text).map_err(wrong(&path))?;
        }
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group that still has a process is left to whoever cleans up.
        let _ = fs::remove_dir(&self.0);
    }
}
