//! Reads `AWS::Serverless::HttpApi`: CORS and the authorizer that routes have by default.
//!
//! Authorizers and throttling are not simulated: the functions ask for API keys and set limits themselves.

use super::description::Cors;
use super::properties::Properties;

/// What the API says about all its routes.
pub(super) struct Api {
    pub(super) cors: Option<Cors>,
    pub(super) default_authorizer: Option<String>,
}

/// Reads the API's properties.
pub(super) fn read(mut properties: Properties<'_>) -> Api {
    let mut default_authorizer = None;
    if let Some(mut auth) = properties.nested("Auth") {
        default_authorizer = auth.text("DefaultAuthorizer");
        auth.not_simulated(&["EnableIamAuthorizer"]);
        auth.finish();
    }
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
    Api { cors, default_authorizer }
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
