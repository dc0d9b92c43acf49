//! What a route costs, for the table of routes.

use actix_web::{HttpRequest, http::Method};

/// Tokens of a request whose route says nothing else.
const USUAL: u32 = 1;

/// What stands beside a route.
#[derive(Clone, Debug)]
pub(crate) struct Toll {
    /// Whether it is the API's, and a caller's buckets are drawn from.
    pub(super) is_of_api: bool,
    /// Whether it is one of those by which somebody gets in.
    pub(super) is_of_auth: bool,
    costs: Vec<(Method, u32)>,
}

impl Toll {
    /// Of the route with this path; an alias is judged by what it stands for.
    pub(crate) fn new(path: &str, costs: Vec<(Method, u32)>) -> Self {
        Self {
            is_of_api: path.starts_with("/api/"),
            is_of_auth: path.starts_with("/api/v1/auth/"),
            costs,
        }
    }

    pub(super) fn of(request: &HttpRequest) -> Option<&Self> {
        request.app_data()
    }

    /// Tokens of one request.
    pub(super) fn cost(&self, method: &Method) -> u32 {
        let own = self.costs.iter().find(|(costly, _)| costly == method);
        own.map_or(USUAL, |(_, cost)| *cost)
    }
}
