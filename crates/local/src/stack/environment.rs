//! The environment variables of a function: what the template says, what overrides it, and what the SDK
//! needs to find the local services and nothing else.

use std::collections::BTreeMap;

use super::REGION;
use crate::services::SECRET_ACCESS_KEY;

/// Key id of the person at the keyboard, in the file to source.
pub const OPERATOR_ACCESS_KEY_ID: &str = "AKIALOCALOPERATOR";

/// The setting that opens private targets.
const DESTINATION_ALLOW: &str = "DESTINATION_ALLOW";

/// Key id of a function, so that the record of calls can tell callers apart.
#[must_use]
pub fn access_key_id(program: &str) -> String {
    format!("AKIALOCAL{}", program.to_uppercase())
}

/// Where the services are: `http://127.0.0.1:<port>` of each, without a slash at the end.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The table.
    pub dynamodb: String,
    /// The queues.
    pub sqs: String,
    /// The bucket.
    pub s3: String,
    /// The secrets.
    pub secrets_manager: String,
    /// `127.0.0.1:<port>` of the demo receiver.
    pub receiver: String,
}

/// The variables of one function. `outer` looks up the environment that the stack itself runs in.
pub(super) fn of_function(
    template: &BTreeMap<String, String>,
    program: &str,
    endpoints: &Endpoints,
    outer: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let mut variables = template.clone();
    // Settings without a default name resources, and those are the stack's own: a queue URL from outside
    // is most likely left over from a file sourced in an earlier run, whose ports are gone.
    // And a function gets to know only what the template lets it know.
    for setting in relay_core::settings::ALL.iter().filter(|setting| setting.default.is_some()) {
        if let Some(value) = variables.get_mut(setting.name)
            && let Some(given) = outer(setting.name)
        {
            *value = given;
        }
    }
    if let Some(allow) = variables.get_mut(DESTINATION_ALLOW)
        && allow.is_empty()
        && outer(DESTINATION_ALLOW).is_none()
    {
        allow.clone_from(&endpoints.receiver);
    }
    for (name, value) in sdk_variables(&access_key_id(program), endpoints) {
        variables.insert(name.to_owned(), value);
    }
    variables
}

/// What the AWS SDKs read, so that they speak to the local services and look nowhere else for keys.
fn sdk_variables(access_key_id: &str, endpoints: &Endpoints) -> [(&'static str, String); 11] {
    [
        ("AWS_ACCESS_KEY_ID", access_key_id.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoints.dynamodb.clone()),
        ("AWS_ENDPOINT_URL_SQS", endpoints.sqs.clone()),
        ("AWS_ENDPOINT_URL_S3", endpoints.s3.clone()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoints.secrets_manager.clone()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(template: &[(&str, &str)], outer: &[(&str, &str)]) -> BTreeMap<String, String> {
        let template = template
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let outer: BTreeMap<&str, &str> = outer.iter().copied().collect();
        let endpoints = Endpoints {
            dynamodb: "http://127.0.0.1:1".to_owned(),
            sqs: "http://127.0.0.1:2".to_owned(),
            s3: "http://127.0.0.1:3".to_owned(),
            secrets_manager: "http://127.0.0.1:5".to_owned(),
            receiver: "127.0.0.1:4".to_owned(),
        };
        of_function(&template, "worker", &endpoints, &|name| {
            outer.get(name).map(|value| (*value).to_owned())
        })
    }

    #[test]
    fn settings_from_outside_win_over_the_template() {
        let found = variables(
            &[("RETRY_ATTEMPTS_MAX", "3")],
            &[("RETRY_ATTEMPTS_MAX", "5"), ("HOME", "/x")],
        );
        assert_eq!(found["RETRY_ATTEMPTS_MAX"], "5");
        assert!(!found.contains_key("HOME"), "nothing else is inherited");
        assert_eq!(found["AWS_ACCESS_KEY_ID"], "AKIALOCALWORKER");
        assert_eq!(found["AWS_ENDPOINT_URL_SQS"], "http://127.0.0.1:2");
    }

    #[test]
    fn a_function_is_told_only_what_the_template_tells_it() {
        let outer = [("AUTHENTICATION", "off"), ("DESTINATION_ALLOW", "10.0.0.0/8")];
        let told = variables(&[("AUTHENTICATION", "keys")], &outer);
        assert_eq!(told["AUTHENTICATION"], "off");
        assert!(!told.contains_key(DESTINATION_ALLOW));
        assert!(!variables(&[], &outer).contains_key("AUTHENTICATION"));
    }

    #[test]
    fn resources_are_always_those_of_the_stack() {
        let found = variables(&[("SQS_QUEUE_URL", "now")], &[("SQS_QUEUE_URL", "before")]);
        assert_eq!(found["SQS_QUEUE_URL"], "now");
    }

    #[test]
    fn only_the_receiver_may_be_sent_to_unless_someone_says_otherwise() {
        assert_eq!(variables(&[(DESTINATION_ALLOW, "")], &[])[DESTINATION_ALLOW], "127.0.0.1:4");
        assert_eq!(
            variables(&[(DESTINATION_ALLOW, "10.0.0.0/8")], &[])[DESTINATION_ALLOW],
            "10.0.0.0/8"
        );
        let outer = [(DESTINATION_ALLOW, "")];
        assert_eq!(
            variables(&[(DESTINATION_ALLOW, "127.0.0.1")], &outer)[DESTINATION_ALLOW],
            "",
            "nothing is something that was said"
        );
    }
}
