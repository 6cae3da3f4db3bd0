//! What each route needs. A route is added together with what it needs, so none can be added without; whatever is in
//! no table, an unknown path or another method, needs a key.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, patch, post};
use http::Method;
use relay_core::access::Scope;

use crate::router::App;
use std::sync::Arc;

/// What a request must have to reach its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: anybody may ask.
    Nothing,
    /// A key, whatever it is for.
    AnyKey,
    /// A key with this scope.
    Scope(Scope),
}

/// What each route needs, by path and method.
#[derive(Debug, Clone, Default)]
pub(crate) struct NeedsOf(BTreeMap<(&'static str, &'static str), Needs>);

impl NeedsOf {
    /// What this request needs. HEAD is GET without a body.
    pub(crate) fn request(&self, request: &Request) -> Needs {
        let method = match request.method() {
            &Method::HEAD => Method::GET.as_str(),
            other => other.as_str(),
        };
        let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        self.route(path, method)
    }

    /// What the route of this path and method needs.
    pub(crate) fn route(&self, path: &str, method: &str) -> Needs {
        self.0.get(&(path, method)).copied().unwrap_or(Needs::AnyKey)
    }
}

/// Routes that are being put together.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Arc<App>>,
    needs: NeedsOf,
}

macro_rules! on {
    ($name:ident, $method:literal) => {
        pub(crate) fn $name<H, T>(self, path: &'static str, needs: Needs, handler: H) -> Self
        where
            H: Handler<T, Arc<App>>,
            T: 'static,
        {
            self.on($method, path, needs, $name(handler))
        }
    };
}

/// One route: its path, what it needs, and what answers.
impl Routes {
    on!(get, "GET");
    on!(post, "POST");
    on!(patch, "PATCH");
    on!(delete, "DELETE");

    fn on(
        mut self,
        method: &'static str,
        path: &'static str,
        needs: Needs,
        handler: MethodRouter<Arc<App>>,
    ) -> Self {
        self.needs.0.insert((path, method), needs);
        Self { router: self.router.route(path, handler), ..self }
    }

    /// The router, and what its routes need.
    pub(crate) fn done(self) -> (Router<Arc<App>>, NeedsOf) {
        (self.router, self.needs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_no_table_needs_a_key() {
        let (_, needs) = Routes::default().get("/a", Needs::Nothing, || async {}).done();
        assert_eq!(needs.route("/a", "GET"), Needs::Nothing);
        for (path, method) in [("/a", "POST"), ("/b", "GET"), ("", "GET"), ("/a", "")] {
            assert_eq!(needs.route(path, method), Needs::AnyKey, "{method} {path}");
        }
    }
}
