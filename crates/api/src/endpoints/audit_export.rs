//! `/audit/events/export`: many events at once, as CSV (RFC 4180) or as lines of JSON. They are read
//! and sent a few at a time, each time in a transaction of its own: an export ends where the right to
//! it does, and however long it is, little of it is in memory.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Bytes, Data},
};
use futures_util::{Stream, StreamExt as _, stream::try_unfold};
use serde::Deserialize;
use store::audit_events::{self, Filter, Stretch};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::audit_events::{Action, COLUMNS, EventFilters, EventView};
use crate::{
    authenticate::Authorized, error::ApiError, list::ListQuery, require, services::Services,
};

/// The most that one answer holds; the header `Link` says how to go on.
const MOST: u16 = 10_000;

/// How many are in memory at once, and how many bytes of changes they have: none is added to so
/// many. As text; in memory it is a few times that.
const STEP: i64 = 200;
const STEP_BYTES: i64 = 256 * 1024;

/// How many the first step has. Each further one may have twice as many as the one before.
const FIRST_STEP: i64 = 16;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Csv,
    Jsonl,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportFilters {
    /// `csv`, or `jsonl`: an event of `/audit/events` on each line.
    #[param(value_type = String, example = "csv")]
    format: Format,
    /// What this user, or API key, did.
    #[param(value_type = Option<Uuid>)]
    actor: Option<String>,
    #[param(value_type = Option<String>, example = "update")]
    action: Option<Action>,
    /// What was done to objects of this type: `projects`, `resources`, `users`, …
    #[param(example = "projects")]
    object_type: Option<String>,
    /// What was done to this object.
    #[param(example = "01980e6f-a30b-7f0d-9a3c-5d2b8e41c07a")]
    object_id: Option<String>,
    /// From this time on (RFC 3339).
    #[param(example = "2026-01-31T09:30:00Z")]
    from: Option<String>,
    /// Before this time (RFC 3339).
    #[param(example = "2026-02-28T09:30:00Z")]
    to: Option<String>,
}

impl ExportFilters {
    fn read(self) -> Result<(Format, Filter), ApiError> {
        let filters = EventFilters {
            actor: self.actor,
            action: self.action,
            object_type: self.object_type,
            object_id: self.object_id,
            from: self.from,
            to: self.to,
        };
        Ok((self.format, filters.read()?))
    }
}

/// Events as CSV.
#[derive(ToSchema)]
#[schema(
    as = AuditEventCsv,
    example = "id,seq,at,actor_kind,actor_id,action,object_type,object_id,changes,request_id,address\r\n"
)]
#[expect(dead_code, reason = "describes what csv_lines writes")]
pub(crate) struct CsvView(String);

/// What an export takes besides.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what ListQuery reads")]
pub(crate) struct ExportPage {
    /// How many at most.
    #[param(minimum = 1, maximum = 10_000, default = 10_000)]
    limit: Option<u16>,
    /// Of the header `Link` of the export before, with the same filters.
    cursor: Option<String>,
}

/// What was changed in the tenant, newest first: at most 10,000 events in one answer. Where there are
/// more, `Link` says where the next answer begins.
///
/// CSV begins with a line of names; a cell that a spreadsheet would take for a formula begins with
/// an apostrophe.
#[utoipa::path(
    get, path = "/api/v1/audit/events/export", tag = "audit", operation_id = "export_audit_events", security(("bearer" = [])),
    params(ExportPage, ExportFilters),
    responses(
        (status = 200, description = "Events.", content(
            (CsvView = "text/csv"),
            (EventView = "application/x-ndjson"),
        ), headers(("Link" = String, description = "`rel=\"next\"`, where there are more"))),
    ),
)]
pub(crate) async fn export(
    caller: Authorized<require::AuditRead>,
    query: ListQuery<ExportFilters, MOST, MOST>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let turn = services.exports.begin(caller.tenant().id)?;
    let page = query.page::<Uuid>(caller.tenant().id)?;
    let (format, filter) = query.filters.read()?;
    let (after, most) = (page.after().copied(), page.limit());
    let counted = filter.clone();
    let bound = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(audit_events::bound(conn, &counted, after, most)?)
        })
        .await?;
    let more = bound.filter(|bound| bound.is_more);
    let link = more.map(|bound| page.link(&bound.last)).transpose()?;
    let (media_type, file) = match format {
        Format::Csv => (
            "text/csv; charset=utf-8; header=present",
            "audit-events.csv",
        ),
        Format::Jsonl => ("application/x-ndjson", "audit-events.jsonl"),
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, media_type));
    let disposition = format!("attachment; filename=\"{file}\"");
    response.insert_header((header::CONTENT_DISPOSITION, disposition));
    if let Some(link) = link {
        response.insert_header((header::LINK, link));
    }
    let stretch = Stretch {
        behind: after,
        to: bound.map(|bound| bound.last),
    };
    let lines = lines(caller, services, filter, stretch, format);
    let lines = lines.inspect(move |_| {
        // It is given back when the answer ends, or the connection does.
        let _ = &turn;
    });
    Ok(response.streaming(Box::pin(lines)))
}

/// Where an export is.
enum Place {
    Start,
    /// Behind this event, with at most so many more.
    Behind(Option<Uuid>, i64),
    End,
}

fn lines(
    caller: Authorized<require::AuditRead>,
    services: Data<Services>,
    filter: Filter,
    stretch: Stretch,
    format: Format,
) -> impl Stream<Item = Result<Bytes, ApiError>> {
    try_unfold(Place::Start, move |place| {
        let (context, services, filter) = (caller.context(), services.clone(), filter.clone());
        let request_id = caller.request_id().clone();
        async move {
            let (behind, most) = match place {
                Place::Start if format == Format::Csv => {
                    let names = csv_lines(&[COLUMNS.map(ToOwned::to_owned)])?;
                    return Ok(Some((names, Place::Behind(stretch.behind, FIRST_STEP))));
                }
                Place::Start => (stretch.behind, FIRST_STEP),
                Place::Behind(behind, most) => (behind, most),
                Place::End => return Ok(None),
            };
            let stretch = Stretch { behind, ..stretch };
            let read = services
                .tenants
                .read(context, move |conn| {
                    let portion = audit_events::portion(conn, &filter, stretch, most, STEP_BYTES)?;
                    Ok::<_, ApiError>(portion)
                })
                .await;
            let portion = read.inspect_err(|error| {
                // The status was sent long ago: all that is left is to break off.
                log::warn!(error:% = error, request_id = request_id.as_str(); "an export broke off");
            })?;
            let next = match portion.events.last() {
                Some(event) if !portion.is_last => {
                    // Where events are large, the sizes of few are asked for in vain.
                    let twice = portion.events.len().saturating_mul(2);
                    let twice = i64::try_from(twice).unwrap_or(STEP);
                    Place::Behind(Some(event.id), twice.min(STEP))
                }
                _ => Place::End,
            };
            let events: Vec<EventView> = portion.events.into_iter().map(EventView::from).collect();
            Ok(Some((written(&events, format)?, next)))
        }
    })
}

fn written(events: &[EventView], format: Format) -> Result<Bytes, ApiError> {
    match format {
        Format::Csv => {
            let lines: Vec<_> = events
                .iter()
                .map(|event| event.cells().map(harmless))
                .collect();
            csv_lines(&lines)
        }
        Format::Jsonl => {
            let mut text = Vec::new();
            for event in events {
                serde_json::to_writer(&mut text, event).map_err(ApiError::internal)?;
                text.push(b'\n');
            }
            Ok(text.into())
        }
    }
}

/// What a spreadsheet would compute, it shows instead (OWASP, CSV Injection).
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell
    }
}

fn csv_lines(lines: &[[String; 11]]) -> Result<Bytes, ApiError> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for line in lines {
        writer.write_record(line).map_err(ApiError::internal)?;
    }
    let text = writer
        .into_inner()
        .map_err(|error| ApiError::internal(error.into_error()))?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            assert_eq!(harmless(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["", "x=1", "'=1", "{\"name\":\"=1\"}"] {
            assert_eq!(harmless(cell.to_owned()), cell);
        }
    }
}
