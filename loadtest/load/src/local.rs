//! The relay on this machine: the whole local stack on a temporary folder, its functions as child processes of this
//! very program, for the length of one run.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use relay_local::lambda::OutputStyle;
use relay_local::stack::{DataFolder, Hosting, Stack, StackError, StackOptions};
use relay_local::template::{Template, TemplateError};

use crate::arguments::RelayArguments;
use crate::scenario::Scenario;

/// The project's template as it was when this program was built.
const TEMPLATE: &str = include_str!("../../../template.yaml");

/// What every run changes: the generator's key has no limit, and successes are logged as the production preset does.
const SETTINGS: [(&str, &str); 2] = [("RATE_LIMIT_PER_SECOND", "0"), ("LOG_SUCCESS_PERCENT", "1")];
/// Batches go out at once, or a low rate would measure the window of five seconds.
const PARAMETERS: [(&str, &str); 2] = [("BatchWindowSeconds", "0"), ("BatchSize", "10")];
/// Where all messages go to one target, there is nobody to keep half of every batch's slots for.
const ONE_DESTINATION: (&str, &str) = ("DELIVERY_CONCURRENCY_PER_DESTINATION", "10");

/// Why there is no relay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    /// The template cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The stack does not start.
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// What of the relay is not as the template has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// Settings by name.
    pub(crate) settings: BTreeMap<String, String>,
    /// Parameters by name.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Changes {
    /// Those of this program, and over them those of the flags.
    pub(crate) fn of(
        arguments: &RelayArguments,
        scenario: &Scenario,
        targets: &[SocketAddr],
    ) -> Self {
        let mut settings = owned(&SETTINGS);
        let allowed: Vec<_> = targets.iter().map(SocketAddr::to_string).collect();
        settings.insert("DESTINATION_ALLOW".to_owned(), allowed.join(","));
        if scenario.slow_percent + scenario.dead_percent == 0 {
            settings.extend(owned(&[ONE_DESTINATION]));
        }
        if arguments.lean {
            settings.insert("STATUS_TRACKING".to_owned(), "lean".to_owned());
        }
        if arguments.unretained {
            settings.insert("RETAIN_BODIES".to_owned(), "false".to_owned());
        }
        settings.extend(arguments.setting.iter().cloned());
        let mut parameters = owned(&PARAMETERS);
        parameters.extend(arguments.parameter.iter().cloned());
        Self { settings, parameters }
    }
}

/// Starts it; returns when requests can be sent.
///
/// # Errors
/// When any part does not start.
pub(crate) async fn start(changes: Changes, shows_logs: bool) -> Result<Stack, LocalError> {
    let output = if shows_logs { OutputStyle::Json } else { OutputStyle::Hidden };
    let Changes { settings, parameters } = changes;
    let hosting = Hosting { program: None, settings, detour: None, output };
    let options = StackOptions {
        port: 0,
        receiver_port: 0,
        data_folder: DataFolder::temporary()?,
        template: Template::parse(TEMPLATE)?,
        template_origin: "the one built in".to_owned(),
        parameters,
        hosting,
    };
    Ok(Stack::start(options).await?)
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::scenario::named;

    #[test]
    fn flags_win() {
        let arguments = RelayArguments {
            lean: true,
            setting: vec![("LOG_SUCCESS_PERCENT".to_owned(), "50".to_owned())],
            parameter: vec![("BatchSize".to_owned(), "3".to_owned())],
            ..RelayArguments::default()
        };
        let target: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let changes = Changes::of(&arguments, named("dead-target").unwrap(), &[target, target]);
        let setting = |name: &str| changes.settings.get(name).map(String::as_str);
        assert_eq!(setting("LOG_SUCCESS_PERCENT"), Some("50"));
        assert_eq!(setting("STATUS_TRACKING"), Some("lean"));
        assert_eq!(setting("RETAIN_BODIES"), None);
        assert_eq!(setting("DESTINATION_ALLOW"), Some("127.0.0.1:9,127.0.0.1:9"));
        assert_eq!(setting(ONE_DESTINATION.0), None, "others share the batch with the dead target");
        assert_eq!(changes.parameters["BatchSize"], "3");
    }
}
