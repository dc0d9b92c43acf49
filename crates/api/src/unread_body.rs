//! A chunked body that nobody read to its end. Of one whose length is known the server hangs up
//! behind the answer; of a chunked one that was dropped it would read on, in the hope of the next
//! request, for as long as its sender likes. So it is held until the answer is sent.

use actix_web::{
    HttpMessage as _,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::header,
    web::Bytes,
};
use futures_util::Stream;
use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// The body, until this is dropped.
#[derive(Clone)]
pub(crate) struct Held(Rc<RefCell<Payload>>);

/// Takes hold of the body, if it is chunked.
pub(crate) fn hold(request: &mut ServiceRequest) -> Option<Held> {
    if !request.headers().contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let held = Held(Rc::new(RefCell::new(request.take_payload())));
    request.set_payload(Payload::Stream {
        payload: Box::pin(held.clone()),
    });
    Some(held)
}

impl Held {
    /// Lets go once the answer is sent.
    pub(crate) fn until_sent(self, mut response: ServiceResponse) -> ServiceResponse {
        if matches!(
            response.response().body().size(),
            BodySize::None | BodySize::Sized(0)
        ) {
            response.response_mut().extensions_mut().insert(self);
            return response;
        }
        response.map_body(|_, body| {
            BoxBody::new(Answer {
                body,
                _request: self,
            })
        })
    }
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// An answer's body, with the body of its request.
struct Answer {
    body: BoxBody,
    _request: Held,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
