//! Finds the route of a request: exact segments before `{name}`, `{name}` before `{name+}`, a named
//! method before `ANY`, and `$default` last, as an HTTP API does.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::template::description::Route;

/// A route pattern that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the route {method} {path} has a greedy segment that is not its last")]
pub struct BadRoute {
    /// Its method.
    pub method: String,
    /// Its path pattern.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Exact(String),
    Variable(String),
    Greedy(String),
}

#[derive(Debug, Clone)]
struct Pattern {
    route: Route,
    segments: Vec<Segment>,
}

/// The route that serves a request, and what its variables stand for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Match<'r> {
    pub(super) function: &'r str,
    /// Such as `GET /v1/messages/{id}`.
    pub(super) route_key: String,
    /// Percent-decoded.
    pub(super) path_parameters: BTreeMap<String, String>,
}

/// The routes of the API.
#[derive(Debug, Clone)]
pub struct Routes(Vec<Pattern>);

impl Routes {
    /// Prepares the routes of the template.
    ///
    /// # Errors
    /// When a pattern has `{name+}` before its end.
    pub fn new(routes: &[Route]) -> Result<Self, BadRoute> {
        let mut patterns = Vec::with_capacity(routes.len());
        for route in routes {
            let segments: Vec<Segment> = split(&route.path).map(segment).collect();
            let greedy = segments.iter().position(|part| matches!(part, Segment::Greedy(_)));
            if greedy.is_some_and(|position| position + 1 != segments.len()) {
                let Route { method, path, .. } = route.clone();
                return Err(BadRoute { method, path });
            }
            patterns.push(Pattern { route: route.clone(), segments });
        }
        patterns.sort_by_key(|pattern| Reverse(pattern.weight()));
        Ok(Self(patterns))
    }

    /// The route that serves this request, if there is one. `path` is as sent.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Match<'_>> {
        self.0.iter().find_map(|pattern| {
            let route = &pattern.route;
            if route.method != "ANY" && route.method != method {
                return None;
            }
            Some(Match {
                function: &route.function,
                route_key: match route.path.as_str() {
                    "/$default" => "$default".to_owned(),
                    path => format!("{} {path}", route.method),
                },
                path_parameters: pattern.variables(path)?,
            })
        })
    }
}

impl Pattern {
    /// Heavier patterns are tried first: more exact segments, fewer variables, a named method.
    fn weight(&self) -> (bool, Vec<u8>, bool) {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Exact(_) => 2,
            Segment::Variable(_) => 1,
            Segment::Greedy(_) => 0,
        });
        (self.route.path != "/$default", segments.collect(), self.route.method != "ANY")
    }

    fn variables(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let mut variables = BTreeMap::new();
        if self.route.path == "/$default" {
            return Some(variables);
        }
        let parts: Vec<&str> = split(path).collect();
        for (index, segment) in self.segments.iter().enumerate() {
            let part = *parts.get(index)?;
            match segment {
                Segment::Exact(exact) if exact == part => {}
                Segment::Exact(_) => return None,
                Segment::Variable(_) if part.is_empty() => return None,
                Segment::Variable(name) => {
                    variables.insert(name.clone(), decode(part));
                }
                Segment::Greedy(name) => {
                    variables.insert(name.clone(), decode(&parts[index..].join("/")));
                    return Some(variables);
                }
            }
        }
        (parts.len() == self.segments.len()).then_some(variables)
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn segment(text: &str) -> Segment {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.to_owned()),
            None => Segment::Variable(name.to_owned()),
        },
        None => Segment::Exact(text.to_owned()),
    }
}

/// Replaces `%41` by `A`. What is no valid escape stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escaped = (bytes[index] == b'%')
            .then(|| text.get(index + 1..index + 3))
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(bytes[index]));
        index += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn routes(patterns: &[(&str, &str)]) -> Routes {
        let routes: Vec<Route> = patterns
            .iter()
            .map(|(method, path)| Route {
                method: (*method).to_owned(),
                path: (*path).to_owned(),
                function: "F".to_owned(),
            })
            .collect();
        Routes::new(&routes).unwrap()
    }

    #[track_caller]
    fn check(method: &str, path: &str, expected: Option<(&str, &[(&str, &str)])>) {
        let routes = routes(&[
            ("ANY", "/v1/{rest+}"),
            ("GET", "/v1/messages/{id}"),
            ("ANY", "/v1/messages/{id}"),
            ("GET", "/v1/messages/latest"),
            ("POST", "/message"),
        ]);
        let found = routes.find(method, path);
        let found =
            found.as_ref().map(|found| (found.route_key.as_str(), found.path_parameters.clone()));
        let expected = expected.map(|(key, parameters)| {
            let parameters =
                parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            (key, parameters)
        });
        assert_eq!(found, expected, "{method} {path}");
    }

    #[test]
    fn the_most_exact_route_serves() {
        check("POST", "/message", Some(("POST /message", &[])));
        check("GET", "/message", None);
        check("POST", "/message/", None);
        check("GET", "/v1/messages/latest", Some(("GET /v1/messages/latest", &[])));
        check("GET", "/v1/messages/m%2F1", Some(("GET /v1/messages/{id}", &[("id", "m/1")])));
        check("PUT", "/v1/messages/x", Some(("ANY /v1/messages/{id}", &[("id", "x")])));
        check("GET", "/v1/a/b/c", Some(("ANY /v1/{rest+}", &[("rest", "a/b/c")])));
        check("GET", "/", None);
    }

    #[test]
    fn the_default_route_comes_last() {
        let routes = routes(&[("ANY", "/$default"), ("GET", "/{x+}")]);
        assert_eq!(routes.find("GET", "/a").unwrap().route_key, "GET /{x+}");
        assert_eq!(routes.find("PUT", "/a").unwrap().route_key, "$default");
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(decode("a%2Fb%zz%4"), "a/b%zz%4");
        assert_eq!(decode("%+1é"), "%+1é");
    }
}
