//! `relay logs`: everything that the functions of a relay on this machine logged about one message, in order of time.
//!
//! Reads the file that the local relay keeps, while it runs or afterwards. Deployed, the same is a saved query.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use crate::Failure;
use crate::terminal::{compact, line, note, printable};

/// The files of the log, the older one first. One that is full gets the older one's name.
const FILES: [&str; 2] = ["logs/functions.1.jsonl", "logs/functions.jsonl"];
/// The fields by which a line belongs to a message: the filter of the saved query has the same.
const IDS: [&str; 3] = ["message_id", "id", "correlation_id"];
/// Fields that stand at the beginning, or say the same on every line of one story.
const NOT_SHOWN: [&str; 11] = [
    "timestamp",
    "level",
    "message",
    "function",
    "function_version",
    "version",
    "invocation_id",
    "id",
    "message_id",
    "sender_id",
    "correlation_id",
];
const ON_AWS: &str = "On AWS the same is the saved query \"one message\" in CloudWatch Logs Insights, in the \
folder of the stack's name: put the id in place of MESSAGE_ID and choose the time. docs/LOGGING.md has its text.";

#[derive(Args)]
#[command(after_help = ON_AWS)]
pub(crate) struct Arguments {
    /// The sender's own id of the message, the relay's (msg_…), or a correlation id.
    id: String,
    /// The data folder of the relay on this machine.
    #[arg(long, default_value = ".relay")]
    data_dir: PathBuf,
    /// Print the lines as they are, JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let story = story(&arguments.data_dir, &arguments.id)?;
    for object in &story {
        let object = Value::Object(object.clone());
        line(&if arguments.json { compact(&object) } else { told(&object) });
    }
    if story.is_empty() {
        note(&format!("nothing is logged of {} in {}", arguments.id, arguments.data_dir.display()));
        note(ON_AWS);
        return Ok(ExitCode::FAILURE);
    }
    let mut messages: Vec<&str> =
        story.iter().filter_map(|object| object.get("id")?.as_str()).collect();
    messages.sort_unstable();
    messages.dedup();
    if messages.len() > 1 {
        note(&format!("these are {} messages: {}", messages.len(), messages.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines about this message, the oldest first.
fn story(data_folder: &Path, id: &str) -> Result<Vec<Map<String, Value>>, Failure> {
    let files = files(data_folder)?;
    if files.is_empty() {
        let folder = data_folder.display();
        return Err(Failure::Usage(format!(
            "no relay on this machine has kept logs in {folder}; name its folder with --data-dir. {ON_AWS}"
        )));
    }
    let mut story = Vec::new();
    let written = Value::from(id).to_string();
    for (path, file) in files {
        for bytes in BufReader::new(file).split(b'\n') {
            let bytes = bytes.map_err(|reason| not_read(&path, reason))?;
            // A line that a full disk cut may end within a character.
            let text = String::from_utf8_lossy(&bytes);
            // Most lines are of other messages and need not be read any further.
            if text.contains(&written)
                && let Ok(Value::Object(object)) = serde_json::from_str(&text)
                && IDS.iter().any(|name| object.get(*name).and_then(Value::as_str) == Some(id))
            {
                story.push(object);
            }
        }
    }
    // Lines of several functions come as they come.
    story.sort_by(|one, other| text(one, "timestamp").cmp(text(other, "timestamp")));
    Ok(story)
}

/// The files that there are, the older one first. The newer one is opened first and the older one left out if it is
/// the same by then: so none is missed and none comes twice if one becomes full meanwhile.
fn files(data_folder: &Path) -> Result<Vec<(PathBuf, File)>, Failure> {
    let mut files: Vec<(PathBuf, File)> = Vec::new();
    let mut known = Vec::new();
    for name in FILES.iter().rev() {
        let path = data_folder.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(reason) if reason.kind() == ErrorKind::NotFound => continue,
            Err(reason) => return Err(not_read(&path, reason)),
        };
        let metadata = file.metadata().map_err(|reason| not_read(&path, reason))?;
        let identity = (metadata.dev(), metadata.ino());
        if !known.contains(&identity) {
            known.push(identity);
            files.insert(0, (path, file));
        }
    }
    Ok(files)
}

fn not_read(path: &Path, reason: io::Error) -> Failure {
    Failure::Input { what: path.display().to_string(), reason }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The line for people: when, how bad, who, what, and what else it says.
fn told(object: &Value) -> String {
    let Some(object) = object.as_object() else { return String::new() };
    let of = |name: &str| text(object, name);
    let mut told =
        format!("{} {:<5} {}: {}", of("timestamp"), of("level"), of("function"), of("message"));
    for (name, value) in object.iter().filter(|(name, _)| !NOT_SHOWN.contains(&name.as_str())) {
        match value {
            Value::String(value) => told.push_str(&format!(" {name}={value}")),
            other => told.push_str(&format!(" {name}={other}")),
        }
    }
    printable(&told)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn at(second: u32, rest: &str) -> String {
        format!(r#"{{"timestamp":"2026-11-21T05:00:{second:02}.000Z","level":"INFO",{rest}}}"#)
    }

    fn folder(older: &[String], newer: &[String]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        for (name, lines) in FILES.into_iter().zip([older, newer]) {
            std::fs::write(folder.path().join(name), lines.join("\n")).unwrap();
        }
        folder
    }

    #[test]
    fn a_story_is_found_by_each_of_its_ids_and_in_order_of_time() {
        let lines = [
            at(3, r#""message":"b","message_id":"order-1","id":"msg_1","correlation_id":"c-1""#),
            at(2, r#""message":"a","message_id":"order-1","id":"msg_1","correlation_id":"c-1""#),
            at(1, r#""message":"of another","message_id":"order-11","reason":"order-1""#),
            "no JSON of order-1".to_owned(),
        ];
        let older = [at(
            1,
            r#""message":"first","message_id":"order-1","id":"msg_1","correlation_id":"c-1""#,
        )];
        let folder = folder(&older, &lines);
        for id in ["order-1", "msg_1", "c-1"] {
            let story = story(folder.path(), id).unwrap();
            let said: Vec<_> = story.iter().map(|object| text(object, "message")).collect();
            assert_eq!(said, ["first", "a", "b"], "{id}");
        }
        assert!(story(folder.path(), "order-2").unwrap().is_empty());
    }

    #[test]
    fn an_id_that_json_writes_in_another_way_is_found() {
        let id = r#"say "c-1" \ there"#;
        let written = serde_json::json!({ "message": "a", "correlation_id": id }).to_string();
        let folder = folder(&[], &[written]);
        assert_eq!(story(folder.path(), id).unwrap().len(), 1);
    }

    #[test]
    fn a_line_that_was_cut_within_a_character_hides_no_other() {
        let folder = folder(&[], &[]);
        let whole = at(1, r#""message":"a","id":"msg_1""#);
        let mut bytes = "{\"error\":\"ä".as_bytes().to_vec();
        bytes.pop();
        bytes.extend_from_slice(format!("\n{whole}\n").as_bytes());
        std::fs::write(folder.path().join(FILES[1]), bytes).unwrap();
        assert_eq!(story(folder.path(), "msg_1").unwrap().len(), 1);
    }

    #[test]
    fn a_file_that_becomes_the_older_one_meanwhile_is_read_once() {
        let lines = [at(1, r#""message":"a","id":"msg_1""#)];
        let folder = folder(&[], &lines);
        // What is found when the newer one was opened, and got the other name before that was.
        let [older, newer] = FILES.map(|name| folder.path().join(name));
        std::fs::remove_file(&older).unwrap();
        std::fs::hard_link(newer, older).unwrap();
        assert_eq!(story(folder.path(), "msg_1").unwrap().len(), 1);
    }

    #[test]
    fn a_line_shows_what_is_its_own_and_nothing_a_terminal_would_act_on() {
        let object = serde_json::json!({
            "timestamp": "2026-11-21T05:00:01.000Z", "level": "INFO", "message": "attempt",
            "function": "WorkerFunction", "version": "1", "id": "msg_1", "attempt": 2,
            "error": "a\u{1b}[31m",
        });
        assert_eq!(
            told(&object),
            "2026-11-21T05:00:01.000Z INFO  WorkerFunction: attempt attempt=2 error=a\\u{1b}[31m"
        );
    }

    #[test]
    fn a_folder_without_logs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let told = story(folder.path(), "order-1").unwrap_err().to_string();
        assert!(told.contains("--data-dir") && told.contains("one message"), "{told}");
    }
}
