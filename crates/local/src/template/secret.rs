//! Reads `AWS::SecretsManager::Secret`: which secret is to be drawn.
//!
//! A secret that the template itself contains is refused: it would be none. Not simulated, knowingly: encryption,
//! replication, tags, descriptions.

use serde_json::Value as Json;

use super::description::Secret;
use super::names::{Kind, Names};
use super::properties::Properties;

/// What Secrets Manager draws where the template says no length.
const CHARACTERS_DEFAULT: usize = 32;
/// Fewest characters that have one of each kind: a small letter, a capital and a digit.
const CHARACTERS_MIN: usize = 3;
/// The longest that Secrets Manager draws.
const CHARACTERS_MAX: usize = 4096;

/// Reads one secret.
pub(super) fn read(logical_id: &str, mut properties: Properties<'_>, names: &Names<'_>) -> Secret {
    let name = names.name(logical_id).unwrap_or_default().to_owned();
    let mut secret = Secret {
        logical_id: logical_id.to_owned(),
        arn: names.arn(Kind::Secret, &name),
        name,
        template: serde_json::Map::new(),
        key: String::new(),
        characters: CHARACTERS_DEFAULT,
    };
    match properties.nested("GenerateSecretString") {
        Some(generated) => read_generated(&mut secret, generated),
        None => properties.refuse("GenerateSecretString", "is missing"),
    }
    properties.not_simulated(&["Description", "KmsKeyId", "Name", "Tags"]);
    properties.finish();
    secret
}

fn read_generated(secret: &mut Secret, mut generated: Properties<'_>) {
    let template = generated.required_text("SecretStringTemplate");
    match serde_json::from_str(&template) {
        Ok(Json::Object(template)) => secret.template = template,
        Ok(_) | Err(_) => generated.refuse("SecretStringTemplate", "is not a JSON object"),
    }
    secret.key = generated.required_text("GenerateStringKey");
    secret.characters = generated.number("PasswordLength").unwrap_or(CHARACTERS_DEFAULT);
    if !(CHARACTERS_MIN..=CHARACTERS_MAX).contains(&secret.characters) {
        let range = format!("is not between {CHARACTERS_MIN} and {CHARACTERS_MAX}");
        generated.refuse("PasswordLength", range);
    }
    if generated.flag("ExcludePunctuation") != Some(true) {
        generated
            .refuse("ExcludePunctuation", "is not true: only letters and digits are drawn here");
    }
    generated.finish();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use std::collections::BTreeMap;

    use super::super::{Description, Surroundings, Template, TemplateError};

    fn describe(template: &str) -> Result<Description, TemplateError> {
        let surroundings = Surroundings {
            region: "eu-west-1".to_owned(),
            account_id: "000000000000".to_owned(),
            stack_name: "relay-local".to_owned(),
            sqs_endpoint: "http://127.0.0.1:9324".to_owned(),
        };
        Template::parse(template)?.describe(&surroundings, &BTreeMap::new())
    }

    #[test]
    fn the_shipped_template_has_one_secret_that_two_functions_are_told_of() {
        let description = describe(include_str!("../../../../template.yaml")).unwrap();
        let [secret] = description.secrets.as_slice() else { panic!("one secret") };
        assert_eq!(secret.name, "relay-local-MasterSecret");
        assert_eq!((secret.key.as_str(), secret.characters), ("1", 64));
        assert_eq!(secret.template["current"], "1");
        for function in &description.functions {
            let told = function.environment.get("MASTER_SECRET_ID");
            let wanted = (function.binary != "reconciler").then_some(&secret.arn);
            assert_eq!(told, wanted, "{}", function.binary);
        }
        let worker = description.role("WorkerRole").unwrap();
        let reads = worker.statements.iter().any(|statement| {
            statement.actions == ["secretsmanager:GetSecretValue"]
                && statement.resources == [secret.arn.as_str()]
        });
        assert!(reads, "{worker:?}");
    }

    #[test]
    fn a_secret_that_cannot_be_drawn_here_is_refused_by_name() {
        let template = r#"
Resources:
  Written: {Type: 'AWS::SecretsManager::Secret', Properties: {SecretString: visible}}
  Short:
    Type: AWS::SecretsManager::Secret
    Properties:
      GenerateSecretString: {SecretStringTemplate: '[]', PasswordLength: 2, ExcludeCharacters: a}
  Used:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !GetAtt Written.Arn}
"#;
        let Err(TemplateError::Refused(found)) = describe(template) else { panic!("not refused") };
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        for part in [
            "Written.Properties.SecretString",
            "Written.Properties.GenerateSecretString: is missing",
            "SecretStringTemplate: is not a JSON object",
            "GenerateStringKey: is missing",
            "PasswordLength: is not between 3 and 4096",
            "ExcludePunctuation: is not true",
            "ExcludeCharacters",
            "Written.Arn",
        ] {
            assert!(found.iter().any(|mistake| mistake.contains(part)), "{part}: {found:#?}");
        }
        assert!(!found.iter().any(|mistake| mistake.contains("visible")), "{found:#?}");
    }
}
