//! The sections `jobs`, `projects` and `mail` of the settings.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use store::{AuditSettings, Retention};

/// Section `jobs`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct JobsSettings {
    /// `jobs.enabled`: whether a server that answers requests works on jobs too. Default true; off
    /// where `rowhouse-server --worker-only` does.
    pub enabled: bool,
    /// `jobs.poll_milliseconds`: how often a worker that has nothing to do looks for what other
    /// servers were asked to do. Default 1000.
    pub poll_milliseconds: u64,
    /// `jobs.concurrency`: jobs and mails that one worker is at, at once. Default 8.
    pub concurrency: u16,
    /// `jobs.lease_seconds`: after how many seconds what a dead worker had taken goes to another.
    /// An attempt is given up after three quarters of it. At least 4; default 120.
    pub lease_seconds: u32,
    /// `jobs.max_attempts`: how often something is tried before it is dead. Default 20, which with
    /// the other defaults takes about four hours.
    pub max_attempts: u16,
    /// `jobs.retry_milliseconds`: the longest wait before the second attempt; it doubles with each
    /// one, and what is waited is a random part of it. Default 1000.
    pub retry_milliseconds: u64,
    /// `jobs.retry_max_seconds`: what the longest wait does not grow beyond. Default 3600.
    pub retry_max_seconds: u64,
    /// `jobs.stop_timeout_seconds`: how many seconds what is under way gets to finish once the
    /// server was told to stop; the rest is given back. Default 15.
    pub stop_timeout_seconds: u64,
    /// `jobs.retention_days`: days that jobs and mails are kept once they are done. Default 7.
    pub retention_days: u16,
    /// `jobs.session_retention_days`: days that sessions are kept once they have ended. Default 30.
    pub session_retention_days: u16,
}

impl Default for JobsSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            poll_milliseconds: 1000,
            concurrency: 8,
            lease_seconds: 120,
            max_attempts: 20,
            retry_milliseconds: 1000,
            retry_max_seconds: 3600,
            stop_timeout_seconds: 15,
            retention_days: 7,
            session_retention_days: 30,
        }
    }
}

impl JobsSettings {
    /// What is under way gets this long to finish once the server was told to stop.
    #[must_use]
    pub fn stop_timeout(&self) -> Duration {
        Duration::from_secs(self.stop_timeout_seconds)
    }

    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_milliseconds.max(1))
    }

    pub(crate) fn lease_seconds(&self) -> i32 {
        i32::try_from(self.lease_seconds.max(4)).unwrap_or(i32::MAX)
    }

    /// How long an attempt may take: it ends before its lease does, so that no other begins
    /// meanwhile.
    pub(crate) fn attempt_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.lease_seconds.max(4))) * 3 / 4
    }

    pub(crate) fn retention(
        &self,
        projects: &ProjectsSettings,
        audit: &AuditSettings,
    ) -> Retention {
        Retention {
            session_days: self.session_retention_days.into(),
            job_days: self.retention_days.into(),
            project_days: projects.retention_days.into(),
            denial_days: audit.denials_retention_days.into(),
            read_days: audit.reads_retention_days.into(),
        }
    }
}

/// Section `projects`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ProjectsSettings {
    /// `projects.retention_days`: days that a deleted project can be restored. After them it is
    /// erased, with its resources. Default 30.
    pub retention_days: u16,
    /// `projects.view_flush_seconds`: how often a server writes down how many views it has seen. What
    /// a server that is killed has seen since, nobody knows. At least 1; default 10.
    pub view_flush_seconds: u32,
}

impl Default for ProjectsSettings {
    fn default() -> Self {
        Self {
            retention_days: 30,
            view_flush_seconds: 10,
        }
    }
}

impl ProjectsSettings {
    /// How often views are written down.
    #[must_use]
    pub fn view_flush_period(&self) -> Duration {
        Duration::from_secs(self.view_flush_seconds.max(1).into())
    }
}

/// Section `mail`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct MailSettings {
    /// `mail.smtp_url`: `smtps://user:password@host:465`, or `smtp://…?tls=required` for STARTTLS.
    /// Default none: mails are written as files to `$ROWHOUSE_HOME/outbox`.
    pub smtp_url: Option<SecretString>,
    /// `mail.ca_file`: certificates (PEM) of authorities that may vouch for the mail server besides those
    /// that the system trusts. Needs `mail.smtp_url` with TLS. Default none.
    pub ca_file: Option<PathBuf>,
    /// `mail.timeout_seconds`: how long the mail server may take for one answer. Default 20.
    pub timeout_seconds: u64,
    /// `mail.from`: the sender of every mail, `Name <address>` or an address alone.
    pub from: String,
    /// `mail.base_url`: what links in mails begin with: where the front end is. Default
    /// `http://127.0.0.1:8000`.
    pub base_url: String,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            smtp_url: None,
            ca_file: None,
            timeout_seconds: 20,
            from: "Rowhouse <rowhouse@localhost.localdomain>".to_owned(),
            base_url: "http://127.0.0.1:8000".to_owned(),
        }
    }
}
