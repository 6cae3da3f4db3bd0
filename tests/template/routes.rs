//! Which routes there are and who answers for them: never an open relay.

use std::collections::BTreeSet;

use relay_tests::{Reference, Template, presets};
use serde_yaml_ng::Value;

const ROUTES: [&str; 23] = [
    "DELETE /v1/api-keys/{id}",
    "DELETE /v1/messages/bulk",
    "GET /health",
    "GET /health/ready",
    "GET /openapi.json",
    "GET /v1/api-keys",
    "GET /v1/api-keys/{id}",
    "GET /v1/destinations/{host}",
    "GET /v1/messages/{id}",
    "GET /v1/signing-secrets",
    "GET /v1/signing-secrets/{senderId}",
    "PATCH /v1/api-keys/{id}",
    "POST /message",
    "POST /v1/api-keys",
    "POST /v1/api-keys/{id}/rotate",
    "POST /v1/messages",
    "POST /v1/messages/bulk",
    "POST /v1/messages/bulk/redrive",
    "POST /v1/messages/{id}/redrive",
    "POST /v1/messages/{id}/resend",
    "POST /v1/signing-secrets",
    "POST /v1/signing-secrets/{senderId}/rotate",
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
fn every_route_asks_for_a_key_unless_somebody_turns_it_off() {
    let template = Template::load();
    let authentication = template.parameter("Authentication");
    assert_eq!(authentication.default, "keys");
    assert_eq!(authentication.allowed, ["keys", "off"]);
    for preset in presets() {
        let given = preset.overrides.get("Authentication");
        assert_eq!(given, None, "{} changes it", preset.name);
    }
    let told = template.at("Globals/Function/Environment/Variables/AUTHENTICATION");
    assert_eq!(Reference::of(told), Some(Reference::Ref("Authentication")));
    // The function is the only one who asks: an authorizer beside it would let some routes in by other rules.
    assert_eq!(template.find("Resources/HttpApi/Properties/Auth"), None);
    for (name, properties) in routes(&template) {
        assert_eq!(properties.get("Auth"), None, "{name}");
    }
}

#[test]
fn the_api_itself_sets_an_outer_limit() {
    let template = Template::load();
    let limits = "Resources/HttpApi/Properties/DefaultRouteSettings";
    // What one key may do by default has to fit through the outer limit, or a client would see the API's 429 first.
    for (inner, outer, path) in [
        ("RateLimitPerSecond", "ApiRequestsPerSecondMax", "ThrottlingRateLimit"),
        ("RateLimitBurst", "ApiBurstMax", "ThrottlingBurstLimit"),
    ] {
        let value = Reference::of(template.at(&format!("{limits}/{path}")));
        assert_eq!(value, Some(Reference::Ref(outer)));
        let inner: i64 = template.parameter(inner).default.parse().expect("a number");
        let outer: i64 = template.parameter(outer).default.parse().expect("a number");
        assert!(inner < outer, "{path}: {inner} and {outer}");
    }
}

#[test]
fn the_log_of_the_api_shows_no_key() {
    let template = Template::load();
    let format = template.at("Resources/HttpApi/Properties/AccessLogSettings/Format");
    let format = format.as_str().expect("a format is a text");
    assert!(!format.contains("header") && !format.contains("authorizer"), "{format}");
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
    let headers = relay_tests::strings(&cors["AllowHeaders"]);
    for header in [
        "authorization",
        "traceparent",
        "x-api-key",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ] {
        assert!(headers.contains(&header), "a page could not send {header}");
    }
}
