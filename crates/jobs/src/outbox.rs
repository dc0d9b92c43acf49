//! What can be put into a tenant's outbox, and how.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{InvitationId, JobId, MembershipId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::outbox;
use tenant_db::{TenantConn, diesel};
use tokio::sync::Notify;

/// Something that is done for a tenant, at least once. It carries ids, and no secret: a job rests in
/// the database, a secret does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload", rename_all = "snake_case")]
pub enum TenantJob {
    /// Tells a person that an admin has made an account for them.
    WelcomeMember {
        /// Who.
        membership_id: MembershipId,
    },
    /// Sends the link of an invitation, the newest one.
    MailInvitation {
        /// Which.
        invitation_id: InvitationId,
    },
    /// Erases the projects that were deleted long ago.
    PurgeProjects {},
    /// Tells an owner that the tenant is to be erased.
    MailTenantDeleting {
        /// Who.
        membership_id: MembershipId,
        /// Until when the tenant can be restored.
        erase_after: DateTime<Utc>,
    },
    /// Tells an owner that the tenant was brought back.
    MailTenantRestored {
        /// Who.
        membership_id: MembershipId,
    },
    /// Erases the tenant, whose grace is over.
    EraseTenant {},
}

impl TenantJob {
    /// What this worker can do. The rest waits for a newer one.
    pub(crate) const KINDS: &'static [&'static str] = &[
        "welcome_member",
        "mail_invitation",
        "purge_projects",
        "mail_tenant_deleting",
        "mail_tenant_restored",
        "erase_tenant",
    ];

    pub(crate) fn parse(kind: &str, payload: &Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(json!({ "kind": kind, "payload": payload }))
    }
}

/// Puts jobs into outboxes, and wakes the worker of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    pub(crate) waker: Arc<Notify>,
}

impl Outbox {
    /// Puts a job into the tenant's outbox: it runs if this transaction is committed.
    ///
    /// # Errors
    /// [`store::Error::Database`].
    pub fn enqueue(conn: &mut TenantConn<'_>, job: &TenantJob) -> Result<JobId, store::Error> {
        let unwritable = |cause| {
            let error = diesel::result::Error::SerializationError(cause);
            store::Error::from(tenant_db::Error::from(error))
        };
        let job = serde_json::to_value(job).map_err(|error| unwritable(error.into()))?;
        let kind = job.get("kind").and_then(Value::as_str);
        let (kind, payload) = kind
            .zip(job.get("payload"))
            .ok_or_else(|| unwritable("a job has a kind and a payload".into()))?;
        outbox::enqueue(conn, kind, payload)
    }

    /// Tells the worker of this process, if there is one, that there is something to do. Without
    /// it, or in another process, it is found within `jobs.poll_milliseconds`.
    pub fn wake(&self) {
        self.waker.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_read_as_it_was_written_and_its_kind_is_known() {
        let membership_id = MembershipId::generate();
        let invitation_id = InvitationId::generate();
        let jobs = [
            TenantJob::WelcomeMember { membership_id },
            TenantJob::MailInvitation { invitation_id },
            TenantJob::PurgeProjects {},
            TenantJob::MailTenantDeleting {
                membership_id,
                erase_after: Utc::now(),
            },
            TenantJob::MailTenantRestored { membership_id },
            TenantJob::EraseTenant {},
        ];
        assert_eq!(jobs.len(), TenantJob::KINDS.len());
        for job in jobs {
            let written = serde_json::to_value(job).unwrap();
            let kind = written["kind"].as_str().unwrap();
            assert!(TenantJob::KINDS.contains(&kind), "{kind}");
            assert_eq!(TenantJob::parse(kind, &written["payload"]).unwrap(), job);
        }
        // As the database writes a time.
        let payload = json!({ "membership_id": membership_id, "erase_after": "2026-01-31T09:30:00.123456+02:00" });
        assert!(TenantJob::parse("mail_tenant_deleting", &payload).is_ok());
        assert!(TenantJob::parse("unheard_of", &json!({})).is_err());
        assert!(TenantJob::parse("welcome_member", &json!({})).is_err());
    }
}
