//! The connection of `rowhouse-admin`: tenants and operators as the administrator of the whole
//! system manages them, through the functions that `rowhouse_ops` may call. It sees no row.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use domain::{Email, Feature, FullName, SubscriptionTier, TenantName, TenantSlug, TenantStatus};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use uuid::Uuid;

use crate::error::Error;
use crate::migrations;
use crate::plan_limits::{Growth, PlanLimits, Room, within_plan_of};

/// A connection of `rowhouse_ops`.
pub struct OpsDb {
    conn: PgConnection,
}

/// A tenant as its administrators' administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct TenantSummary {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Its slug.
    #[diesel(sql_type = Text)]
    pub slug: String,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// `active`, `suspended` or `deleting`.
    #[diesel(sql_type = Text)]
    pub status: String,
    /// `free`, `basic`, `premium` or `enterprise`.
    #[diesel(sql_type = Text)]
    pub subscription_tier: String,
    /// Requests per minute; `None`: its tier's.
    #[diesel(sql_type = Nullable<Integer>)]
    pub rate_limit_per_minute: Option<i32>,
    /// Requests at once; `None`: its tier's.
    #[diesel(sql_type = Nullable<Integer>)]
    pub rate_limit_burst: Option<i32>,
    /// `closed`, `open` or `domain`.
    #[diesel(sql_type = Text)]
    pub signup: String,
    /// How many members it has, invited ones too.
    #[diesel(sql_type = BigInt)]
    pub members: i64,
    /// When it was made.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// Until when its owners can restore it; `None` while it is not to be erased.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub erase_after: Option<DateTime<Utc>>,
}

/// What an address has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// An active owner.
    Owner,
    /// Somebody who was invited to be one.
    Invited,
}

impl std::fmt::Debug for OpsDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpsDb").finish_non_exhaustive()
    }
}

impl OpsDb {
    /// Connects as the role of `url`.
    ///
    /// # Errors
    /// [`tenant_db::Error::Unavailable`].
    pub fn connect(url: &SecretString) -> Result<Self, Error> {
        let conn = PgConnection::establish(url.expose_secret())
            .map_err(|e| tenant_db::Error::Unavailable(Box::new(e)))?;
        Ok(Self { conn })
    }

    /// Whether the database has every migration that this binary knows.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn is_migrated(&mut self) -> Result<bool, Error> {
        migrations::is_applied(&mut self.conn)
    }

    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    /// All tenants, by slug.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn list_tenants(&mut self) -> Result<Vec<TenantSummary>, Error> {
        Ok(diesel::sql_query("SELECT * FROM directory.tenants()").load(&mut self.conn)?)
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find_tenant(&mut self, slug: &TenantSlug) -> Result<TenantSummary, Error> {
        find_tenant(&mut self.conn, slug)
    }

    /// A tenant without any member yet.
    ///
    /// # Errors
    /// [`Error::SlugTaken`].
    pub fn create_tenant(
        &mut self,
        slug: &TenantSlug,
        name: &TenantName,
    ) -> Result<TenantSummary, Error> {
        diesel::sql_query("SELECT directory.open_tenant($1, $2)")
            .bind::<Text, _>(slug.as_str())
            .bind::<Text, _>(name.as_str())
            .execute(&mut self.conn)?;
        self.find_tenant(slug)
    }

    /// Suspends a tenant: its members are refused from their next request on. Or activates it
    /// again.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAllowed`] for one that is about to be erased.
    pub fn set_status(
        &mut self,
        slug: &TenantSlug,
        status: TenantStatus,
    ) -> Result<TenantSummary, Error> {
        let changed = diesel::sql_query("SELECT directory.set_tenant_status($1, $2) AS done")
            .bind::<Text, _>(slug.as_str())
            .bind::<Text, _>(status.as_str())
            .get_result::<Done>(&mut self.conn)?;
        let tenant = self.find_tenant(slug)?;
        changed.then(tenant).ok_or(Error::NotAllowed)
    }

    /// Changes what a tenant pays for.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn set_tier(
        &mut self,
        slug: &TenantSlug,
        tier: SubscriptionTier,
    ) -> Result<TenantSummary, Error> {
        diesel::sql_query("SELECT directory.set_tenant_tier($1, $2) AS done")
            .bind::<Text, _>(slug.as_str())
            .bind::<Text, _>(tier.as_str())
            .get_result::<Done>(&mut self.conn)?;
        self.find_tenant(slug)
    }

    /// Changes how many requests a tenant may make per minute and at once; `None`: what its tier
    /// says.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn set_limits(
        &mut self,
        slug: &TenantSlug,
        per_minute: Option<i32>,
        burst: Option<i32>,
    ) -> Result<TenantSummary, Error> {
        diesel::sql_query("SELECT directory.set_tenant_limits($1, $2, $3) AS done")
            .bind::<Text, _>(slug.as_str())
            .bind::<Nullable<Integer>, _>(per_minute)
            .bind::<Nullable<Integer>, _>(burst)
            .get_result::<Done>(&mut self.conn)?;
        self.find_tenant(slug)
    }

    /// Turns a feature on or off for a tenant; `None`: what its tier says.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn set_feature(
        &mut self,
        slug: &TenantSlug,
        feature: Feature,
        enabled: Option<bool>,
    ) -> Result<TenantSummary, Error> {
        diesel::sql_query("SELECT directory.set_tenant_feature($1, $2, $3) AS done")
            .bind::<Text, _>(slug.as_str())
            .bind::<Text, _>(feature.as_str())
            .bind::<Nullable<Bool>, _>(enabled)
            .get_result::<Done>(&mut self.conn)?;
        self.find_tenant(slug)
    }

    /// Makes whoever has this address an owner of the tenant: a member of it, else the personal
    /// account, else by an invitation that is good until `expires_at` and mailed by a worker.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such tenant; [`Error::PlanLimit`].
    pub fn add_owner(
        &mut self,
        slug: &TenantSlug,
        email: &Email,
        expires_at: DateTime<Utc>,
        limits: &PlanLimits,
    ) -> Result<Added, Error> {
        let before = self.find_tenant(slug)?;
        let tenant = before.id.into();
        let work = |conn: &mut PgConnection, room: &mut Room| {
            let added: AddedRow =
                diesel::sql_query("SELECT directory.add_owner($1, $2, $3, $4) AS what")
                    .bind::<SqlUuid, _>(before.id)
                    .bind::<Text, _>(email.as_str())
                    .bind::<Text, _>(FullName::of_address(email).as_str())
                    .bind::<Timestamptz, _>(expires_at)
                    .get_result(conn)?;
            // Whoever was a member already takes no new place.
            let after = find_tenant(conn, slug)?;
            if after.members > before.members {
                room.take(Growth::Member);
            }
            Ok(added)
        };
        let added = self
            .conn
            .transaction(|conn| within_plan_of(conn, tenant, limits, work))?;
        Ok(if added.what == "owner" {
            Added::Owner
        } else {
            Added::Invited
        })
    }

    /// Erases a tenant at once, whatever its grace, with all that is in it: first it is closed for
    /// everybody, then it goes, in a transaction each. Broken off in between, a worker ends it.
    /// Answers what it was.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn erase(&mut self, slug: &TenantSlug) -> Result<TenantSummary, Error> {
        let tenant = self.find_tenant(slug)?;
        let condemned: CondemnedRow =
            diesel::sql_query("SELECT directory.condemn_tenant($1) AS id")
                .bind::<Text, _>(slug.as_str())
                .get_result(&mut self.conn)?;
        let id = condemned.id.ok_or(Error::NotFound)?;
        // False: a worker was faster.
        diesel::sql_query("SELECT directory.erase_tenant($1) AS done")
            .bind::<SqlUuid, _>(id)
            .get_result::<Done>(&mut self.conn)?;
        Ok(tenant)
    }

    /// Makes the personal account with this address an operator of the platform; `false`: there
    /// is no such account.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn add_operator(&mut self, email: &Email) -> Result<bool, Error> {
        let added = diesel::sql_query("SELECT directory.add_operator($1) AS done")
            .bind::<Text, _>(email.as_str())
            .get_result::<Done>(&mut self.conn)?;
        Ok(added.done)
    }
}

fn find_tenant(conn: &mut PgConnection, slug: &TenantSlug) -> Result<TenantSummary, Error> {
    Ok(diesel::sql_query("SELECT * FROM directory.tenants($1)")
        .bind::<Text, _>(slug.as_str())
        .get_result(conn)?)
}

#[derive(QueryableByName)]
struct CondemnedRow {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    id: Option<Uuid>,
}

#[derive(QueryableByName)]
struct AddedRow {
    #[diesel(sql_type = Text)]
    what: String,
}

#[derive(QueryableByName)]
struct Done {
    #[diesel(sql_type = Bool)]
    done: bool,
}

impl Done {
    fn then<T>(&self, value: T) -> Option<T> {
        self.done.then_some(value)
    }
}
