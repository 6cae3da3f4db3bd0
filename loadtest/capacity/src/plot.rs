//! A run as a picture: what comes and goes, what waits, what is at work, below one another, as SVG. The same run makes
//! the same file.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::outcome::{Outcome, Sample};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 720;
const PANELS: usize = 3;
/// Points of a line: more than can be told apart make the file large.
const POINTS_MAX: usize = 150;
/// Room above the highest point.
const HEADROOM: f64 = 1.08;
const COLORS: [RGBColor; 3] =
    [RGBColor(31, 119, 180), RGBColor(214, 39, 40), RGBColor(44, 160, 44)];
const TITLE_SIZE: i32 = 20;
const LABEL_SIZE: i32 = 13;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[error("the plot {file} cannot be drawn: {why}")]
pub struct PlotError {
    file: String,
    why: String,
}

/// One line of a panel.
type Line = (&'static str, fn(&Sample) -> f64);

#[expect(clippy::cast_precision_loss, reason = "counts of a second")]
const fn rates() -> [Line; 3] {
    [
        ("offered a second", |sample| sample.offered as f64),
        ("accepted a second", |sample| sample.accepted as f64),
        ("delivered a second", |sample| sample.delivered as f64),
    ]
}

/// Draws `outcome`, whose counts are multiplied by `scale`, into `file`.
///
/// # Errors
/// `PlotError` if the file cannot be written.
pub fn plot(outcome: &Outcome, scale: f64, title: &str, file: &Path) -> Result<(), PlotError> {
    let failed = |why: String| PlotError { file: file.display().to_string(), why };
    let root = SVGBackend::new(file, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| failed(error.to_string()))?;
    let area = root
        .titled(title, ("sans-serif", TITLE_SIZE))
        .map_err(|error| failed(error.to_string()))?;
    let panels = area.split_evenly((PANELS, 1));
    let busy: [Line; 3] = [
        ("ingest at work", |sample| f64::from(sample.ingest_busy)),
        ("worker at work", |sample| f64::from(sample.worker_busy)),
        ("messages in flight / 10", |sample| count(sample.in_flight) / 10.0),
    ];
    let age: [Line; 1] = [("oldest waiting message, seconds", |sample| sample.age_seconds)];
    panel(&panels[0], &outcome.samples, &rates(), scale).map_err(failed)?;
    panel(&panels[1], &outcome.samples, &age, 1.0).map_err(failed)?;
    panel(&panels[2], &outcome.samples, &busy, scale).map_err(failed)?;
    root.present().map_err(|error| failed(error.to_string()))
}

#[expect(clippy::cast_precision_loss, reason = "counts of messages in flight")]
fn count(count: u64) -> f64 {
    count as f64
}

/// One panel. The error is what the library says: its own type names the backend and the file's area.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    samples: &[Sample],
    lines: &[Line],
    scale: f64,
) -> Result<(), String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let step = samples.len().div_ceil(POINTS_MAX).max(1);
    let series: Vec<Vec<(f64, f64)>> =
        lines.iter().map(|(_, of)| points(samples, *of, scale, step)).collect();
    let most = series.iter().flatten().map(|(_, value)| *value).fold(0.0, f64::max);
    let top = if most > 0.0 { most * HEADROOM } else { 1.0 };
    let seconds = f64::from(u32::try_from(samples.len()).unwrap_or(u32::MAX));
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..seconds, 0.0..top)
        .map_err(|error| said(&error))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .label_style(("sans-serif", LABEL_SIZE))
        .x_label_formatter(&|seconds| format!("{seconds:.0} s"))
        .y_label_formatter(&|value| short(*value))
        .draw()
        .map_err(|error| said(&error))?;
    for ((points, (label, _)), color) in series.into_iter().zip(lines).zip(COLORS) {
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))
            .map_err(|error| said(&error))?
            .label(*label)
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2))
            });
    }
    chart
        .configure_series_labels()
        .label_font(("sans-serif", LABEL_SIZE))
        .background_style(WHITE.mix(0.8))
        .position(SeriesLabelPosition::LowerRight)
        .draw()
        .map_err(|error| said(&error))
}

/// The means of `step` seconds each, so that a line of few points shows no single second.
fn points(samples: &[Sample], of: fn(&Sample) -> f64, scale: f64, step: usize) -> Vec<(f64, f64)> {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    samples
        .chunks(step)
        .enumerate()
        .map(|(index, chunk)| {
            let mean = chunk.iter().map(of).sum::<f64>() / float(chunk.len());
            (float(index * step), mean * scale)
        })
        .collect()
}

fn short(value: f64) -> String {
    if value >= 1000.0 { format!("{}k", value / 1000.0) } else { format!("{value}") }
}
