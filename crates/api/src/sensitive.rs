//! Routes whose reads are recorded: the table of routes says which. Whoever has read, and what of it,
//! is an entry of the trail, which admins of the tenant read at `/audit/reads`.

use actix_web::{
    HttpRequest,
    dev::ServiceResponse,
    http::{Method, StatusCode},
    web::Data,
};
use auth::Principal;
use chrono::Utc;
use store::{Moment, reads::NewRead};

use crate::{
    denial::{self, Bearing},
    request_id::RequestId,
    services::Services,
    state::AppState,
};

/// That reads of a route are recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensitive;

/// Leaves the read in the trail, if it was one that somebody got an answer to.
pub(crate) fn record<B>(response: &ServiceResponse<B>, request_id: &RequestId) {
    let status = response.status();
    let is_answered = status.is_success() || status == StatusCode::NOT_MODIFIED;
    if is_answered && let Some((services, read)) = read(response.request(), request_id) {
        services.trail.note_read(read);
    }
}

fn read<'a>(
    request: &'a HttpRequest,
    request_id: &RequestId,
) -> Option<(&'a Data<Services>, NewRead)> {
    let principal = Bearing::of(request)?;
    let tenant_id = principal.tenant()?.id;
    // A change answers with all of what it changed, even where it changes nothing and leaves no event.
    let is_shown = [Method::GET, Method::PATCH].contains(request.method());
    if !is_recorded(request, &principal) || !is_shown {
        return None;
    }
    let state = request.app_data::<Data<AppState>>()?;
    let who = denial::who(Some(&principal));
    let read = NewRead {
        moment: Moment::new(Utc::now()),
        tenant_id,
        asked: denial::asked(request, request_id, state, who),
    };
    Some((request.app_data::<Data<Services>>()?, read))
}

/// By the route alone. Whose every read is to be recorded, wherever it goes, is told by the
/// principal: here is the place to ask.
fn is_recorded(request: &HttpRequest, _: &Principal) -> bool {
    request.app_data::<Sensitive>().is_some()
}
