//! Reads `AWS::Serverless::HttpApi`: CORS.
//!
//! Throttling is not simulated: the functions set limits themselves. An authorizer is refused by name: the local
//! gateway asks none, and what is open here must not be closed when it is deployed.

use super::description::Cors;
use super::properties::Properties;

/// Reads the API's properties: its CORS answers, if it gives any.
pub(super) fn read(mut properties: Properties<'_>) -> Option<Cors> {
    refuse_authorizers(&mut properties);
    let cors = properties.nested("CorsConfiguration").map(read_cors);
    if let Some(stage) = properties.text("StageName")
        && stage != "$default"
    {
        properties.refuse("StageName", format!("is {stage}; only $default is served here"));
    }
    properties.not_simulated(&[
        "AccessLogSettings",
        "DefaultRouteSettings",
        "Description",
        "FailOnWarnings",
        "Name",
        "Tags",
    ]);
    properties.finish();
    cors
}

/// Refuses authorizers, of the whole API or of one route.
pub(super) fn refuse_authorizers(properties: &mut Properties<'_>) {
    if properties.take("Auth").is_some() {
        properties.refuse("Auth", "names an authorizer, and the local gateway asks none");
    }
}

fn read_cors(mut properties: Properties<'_>) -> Cors {
    let lower = |texts: Vec<String>| texts.iter().map(|text| text.to_lowercase()).collect();
    let cors = Cors {
        allow_origins: properties.texts("AllowOrigins"),
        allow_methods: properties.texts("AllowMethods"),
        allow_headers: lower(properties.texts("AllowHeaders")),
        expose_headers: lower(properties.texts("ExposeHeaders")),
        max_age_seconds: properties.number("MaxAge"),
        allow_credentials: properties.flag("AllowCredentials").unwrap_or(false),
    };
    if cors.allow_credentials && cors.allow_origins.iter().any(|origin| origin == "*") {
        properties.refuse("AllowCredentials", "is true for any origin, which API Gateway refuses");
    }
    properties.finish();
    cors
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]
    use std::collections::BTreeMap;

    use super::super::{Surroundings, Template, TemplateError};

    #[test]
    fn an_authorizer_is_refused_by_name_wherever_it_is() {
        let surroundings = Surroundings {
            region: "eu-west-1".to_owned(),
            account_id: "000000000000".to_owned(),
            stack_name: "relay-local".to_owned(),
            sqs_endpoint: "http://127.0.0.1:9324".to_owned(),
        };
        let template = r"
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {Auth: {DefaultAuthorizer: AWS_IAM, EnableIamAuthorizer: true}}
  Run:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: ingest}}
    Properties:
      Events:
        Post: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /m, Auth: {Authorizer: NONE}}}
";
        let described =
            Template::parse(template).and_then(|it| it.describe(&surroundings, &BTreeMap::new()));
        let Err(TemplateError::Refused(found)) = described else { panic!("not refused") };
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        for part in ["Api.Properties.Auth: names", "Post.Properties.Auth: names"] {
            assert!(found.iter().any(|mistake| mistake.contains(part)), "{part}: {found:#?}");
        }
    }
}
