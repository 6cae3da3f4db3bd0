//! Which routes there are and who may call them: never an open relay.

use std::collections::BTreeSet;

use relay_tests::{Reference, Template};
use serde_yaml_ng::Value;

/// The routes that anybody may call.
const OPEN: [&str; 1] = ["GET /health"];

const ROUTES: [&str; 10] = [
    "GET /health",
    "GET /health/ready",
    "GET /openapi.json",
    "GET /v1/destinations/{host}",
    "GET /v1/messages/{id}",
    "POST /message",
    "POST /v1/messages",
    "POST /v1/messages/{id}/redrive",
    "POST /v1/messages/{id}/resend",
    "POST /v1/uploads",
];

/// Every route of every function with its event's properties.
fn routes(template: &Template) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for function in template.resources("AWS::Serverless::Function") {
        for (_, event) in template.entries(&format!("Resources/{function}/Properties/Events")) {
            if event["Type"] == "HttpApi" {
                let properties = &event["Properties"];
                let part =
                    |key: &str| properties[key].as_str().expect("a route has both").to_owned();
                found.push((format!("{} {}", part("Method"), part("Path")), properties));
            }
        }
    }
    found
}

#[test]
fn the_routes_are_these_and_each_is_declared_once() {
    let template = Template::load();
    let names: Vec<_> = routes(&template).into_iter().map(|(name, _)| name).collect();
    let unique: BTreeSet<_> = names.iter().map(String::as_str).collect();
    assert_eq!(unique, BTreeSet::from(ROUTES));
    assert_eq!(names.len(), unique.len());
}

#[test]
fn every_route_but_health_wants_a_signed_request() {
    let template = Template::load();
    let default = template.at("Resources/HttpApi/Properties/Auth");
    assert_eq!(default["EnableIamAuthorizer"], true);
    assert_eq!(default["DefaultAuthorizer"], "AWS_IAM");
    for (name, properties) in routes(&template) {
        let own = properties.get("Auth").and_then(|auth| auth.get("Authorizer"));
        let own = own.map_or("AWS_IAM", |own| own.as_str().unwrap_or("no authorizer's name"));
        let wanted = if OPEN.contains(&name.as_str()) { "NONE" } else { "AWS_IAM" };
        assert_eq!(own, wanted, "{name}");
    }
}

#[test]
fn every_route_belongs_to_the_one_api() {
    let template = Template::load();
    assert_eq!(template.resources("AWS::Serverless::HttpApi"), ["HttpApi"]);
    for (name, properties) in routes(&template) {
        assert_eq!(Reference::of(&properties["ApiId"]), Some(Reference::Ref("HttpApi")), "{name}");
    }
}

#[test]
fn a_browser_may_call_without_cookies() {
    let template = Template::load();
    let cors = template.at("Resources/HttpApi/Properties/CorsConfiguration");
    assert_eq!(cors.get("AllowCredentials"), None);
    let methods: BTreeSet<_> = relay_tests::strings(&cors["AllowMethods"]).into_iter().collect();
    let used: BTreeSet<_> = ROUTES.iter().filter_map(|route| route.split(' ').next()).collect();
    assert_eq!(methods, used);
}
