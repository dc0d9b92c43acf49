//! Lists, paged by key: the query that asks for a page, the page, the answer.

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Responder, body::BoxBody, dev::Payload, http::header,
};
use serde::{Serialize, de::DeserializeOwned};
use std::future::{Ready, ready};
use url::form_urlencoded;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    cursor::{CursorKey, Scope},
    error::{ApiError, FieldErrorCode},
    extract::{Pairs, deserialize_pairs, pairs_of},
    state::AppState,
};

const DEFAULT_LIMIT: u16 = 20;
const MAX_LIMIT: u16 = 100;

/// The query of a list: `limit` (1 to `MAX`, default `DEFAULT`: 100 and 20), `cursor`, and the filters `F`, a struct as
/// [`QueryParams`](crate::extract::QueryParams) has it, without those two.
///
/// # Errors
/// Those of `QueryParams`; 422 at `limit` if it is out of range.
#[derive(Debug)]
pub struct ListQuery<F, const DEFAULT: u16 = DEFAULT_LIMIT, const MAX: u16 = MAX_LIMIT> {
    /// What to list.
    pub filters: F,
    limit: u16,
    cursor: Option<String>,
    /// The route's pattern.
    list: String,
    path: String,
    /// The filters' parameters, sorted.
    query: Pairs,
    key: CursorKey,
}

/// What every list takes, for its description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what ListQuery reads")]
pub(crate) struct PageParams {
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u16>,
    /// `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// Which rows to read: those behind `after`, in the list's order.
#[derive(Debug)]
pub struct Page<K> {
    limit: u16,
    after: Option<K>,
    scope: Scope,
    path: String,
    query: Pairs,
    key: CursorKey,
}

/// A page as its client gets it: `{"data": […], "next_cursor": null}`, and `Link: <…>; rel="next"`
/// (RFC 8288) where there is a next one.
#[derive(Debug)]
pub struct List<V> {
    data: Vec<V>,
    next: Option<Next>,
}

#[derive(Debug)]
struct Next {
    cursor: String,
    link: String,
}

impl<F, const DEFAULT: u16, const MAX: u16> ListQuery<F, DEFAULT, MAX> {
    /// The page asked for. `owner` is the tenant, or the account, whose list it is: a cursor is
    /// good for that owner, this route and these filters only.
    ///
    /// # Errors
    /// 422 at `cursor` for any other cursor.
    pub fn page<K: DeserializeOwned>(&self, owner: impl Into<Uuid>) -> Result<Page<K>, ApiError> {
        let scope = Scope {
            owner: owner.into(),
            list: self.list.clone(),
            filters: encode(&self.query),
        };
        let after = match &self.cursor {
            Some(cursor) => Some(self.key.decode(&scope, cursor).map_err(|error| {
                ApiError::parameter("cursor", FieldErrorCode::Invalid, error.to_string())
            })?),
            None => None,
        };
        Ok(Page {
            limit: self.limit,
            after,
            scope,
            path: self.path.clone(),
            query: self.query.clone(),
            key: self.key.clone(),
        })
    }
}

impl<K> Page<K> {
    /// The key of the last row of the page before; `None`: from the start.
    #[must_use]
    pub fn after(&self) -> Option<&K> {
        self.after.as_ref()
    }

    /// How many rows to read: one more than the page shows, which tells whether there is a next.
    #[must_use]
    pub fn rows_to_read(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// How many rows the page shows at most.
    pub(crate) fn limit(&self) -> i64 {
        self.limit.into()
    }

    /// The header that leads to the page behind `key`.
    ///
    /// # Errors
    /// 500 if the key cannot be written as JSON.
    pub(crate) fn link(&self, key: &K) -> Result<String, ApiError>
    where
        K: Serialize,
    {
        Ok(self.next(key)?.link)
    }

    /// The answer, from the rows read: `key` is a row's place in the order, `view` what the client
    /// sees of it.
    ///
    /// # Errors
    /// 500 if the key cannot be written as JSON.
    pub fn answer<R, V>(
        self,
        mut rows: Vec<R>,
        key: impl FnOnce(&R) -> K,
        view: impl FnMut(R) -> V,
    ) -> Result<List<V>, ApiError>
    where
        K: Serialize,
    {
        let limit = usize::from(self.limit);
        let is_last = rows.len() <= limit;
        rows.truncate(limit);
        let next = match rows.last() {
            Some(row) if !is_last => Some(self.next(&key(row))?),
            _ => None,
        };
        let data = rows.into_iter().map(view).collect();
        Ok(List { data, next })
    }

    fn next(&self, key: &K) -> Result<Next, ApiError>
    where
        K: Serialize,
    {
        let cursor = self
            .key
            .encode(&self.scope, key)
            .map_err(ApiError::internal)?;
        let mut query = self.query.clone();
        query.push(("limit".to_owned(), self.limit.to_string()));
        query.push(("cursor".to_owned(), cursor.clone()));
        let link = format!("<{}?{}>; rel=\"next\"", self.path, encode(&query));
        Ok(Next { cursor, link })
    }
}

impl<F: DeserializeOwned + 'static, const DEFAULT: u16, const MAX: u16> FromRequest
    for ListQuery<F, DEFAULT, MAX>
{
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(list_query(request))
    }
}

fn list_query<F: DeserializeOwned, const DEFAULT: u16, const MAX: u16>(
    request: &HttpRequest,
) -> Result<ListQuery<F, DEFAULT, MAX>, ApiError> {
    let state = AppState::of(request)?;
    let mut query = pairs_of(request)?;
    let limit = take(&mut query, "limit").map_or(Ok(DEFAULT), |text| parse_limit(&text, MAX))?;
    let cursor = take(&mut query, "cursor");
    let filters = deserialize_pairs(&query)?;
    query.sort();
    Ok(ListQuery {
        filters,
        limit,
        cursor,
        list: request.match_pattern().unwrap_or_default(),
        path: request.uri().path().to_owned(),
        query,
        key: state.cursor_key.clone(),
    })
}

fn take(query: &mut Pairs, name: &str) -> Option<String> {
    let index = query.iter().position(|(key, _)| key == name)?;
    Some(query.remove(index).1)
}

fn parse_limit(text: &str, max: u16) -> Result<u16, ApiError> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=max).contains(limit))
        .ok_or_else(|| {
            let detail = format!("must be a number from 1 to {max}");
            ApiError::parameter("limit", FieldErrorCode::Invalid, detail)
        })
}

fn encode(query: &Pairs) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish()
}

impl<V: Serialize> Responder for List<V> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        #[derive(Serialize)]
        struct View<V> {
            data: Vec<V>,
            next_cursor: Option<String>,
        }

        self.respond_as(|data, next_cursor| View { data, next_cursor })
    }
}

impl<V> List<V> {
    /// The answer with another body, made of the page and the cursor of the next one.
    pub(crate) fn respond_as<B: Serialize>(
        self,
        body: impl FnOnce(Vec<V>, Option<String>) -> B,
    ) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(next) = &self.next {
            response.insert_header((header::LINK, next.link.as_str()));
        }
        response.json(body(self.data, self.next.map(|next| next.cursor)))
    }
}
