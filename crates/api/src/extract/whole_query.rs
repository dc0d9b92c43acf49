//! A query is read whole or refused: a parameter that nobody reads is a typing error, or somebody's
//! belief that it does something.

use actix_web::{Error, FromRequest, Handler, HttpMessage as _, HttpRequest, dev::Payload};
use std::{future::Future, pin::Pin};

use super::query::pairs;
use crate::error::{ApiError, FieldErrorCode};

/// A handler whose parameters read the whole query, or refuse it. Around every handler of the table
/// of routes.
#[derive(Clone)]
pub(crate) struct Strict<F>(pub(crate) F);

/// The parameters of a handler, behind which nothing of the query is left.
pub(crate) struct WholeQuery<Args>(Args);

/// Some parameter has read the query, and refused what it did not know.
struct Read;

/// To be called by whichever parameter reads the query.
pub(super) fn is_read(request: &HttpRequest) {
    request.extensions_mut().insert(Read);
}

impl<F, Args> Handler<WholeQuery<Args>> for Strict<F>
where
    F: Handler<Args>,
{
    type Output = F::Output;
    type Future = F::Future;

    fn call(&self, WholeQuery(args): WholeQuery<Args>) -> Self::Future {
        self.0.call(args)
    }
}

/// Behind all other parameters, so that the caller is checked first.
impl<Args: FromRequest + 'static> FromRequest for WholeQuery<Args> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let args = Args::from_request(&request, &mut payload).await;
            let args = args.map_err(Into::into)?;
            refuse_unread(&request)?;
            Ok(Self(args))
        })
    }
}

fn refuse_unread(request: &HttpRequest) -> Result<(), ApiError> {
    let query = request.query_string();
    if query.is_empty() || request.extensions().contains::<Read>() {
        return Ok(());
    }
    match pairs(query)?.first() {
        Some((name, _)) => {
            let code = FieldErrorCode::UnknownField;
            Err(ApiError::parameter(name, code, "there is no such field"))
        }
        None => Ok(()),
    }
}
