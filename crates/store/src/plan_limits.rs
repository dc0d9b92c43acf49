//! How much each tier may have, and whether a tenant has more. The numbers are the server's; the
//! database counts, behind a lock, and knows which tier the tenant is in.
//!
//! A transaction that makes something asks [`require_room`] last, with all that it has made: so it
//! holds the lock, the tenant's row, for no longer than its own end, and takes it after all others.

use chrono::NaiveDate;
use diesel::declare_sql_function;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types;
use domain::{PlanResource, SubscriptionTier, TenantId, Usage};
use serde::Deserialize;
use tenant_db::TenantConn;

use crate::error::{Error, unknown_word};

#[declare_sql_function]
extern "SQL" {
    /// The door inside a context; see the migration `plan_limits`.
    #[sql_name = "directory.own_excess"]
    fn own_excess(
        resource: sql_types::Text,
        limits: sql_types::Array<sql_types::Nullable<sql_types::BigInt>>,
    ) -> Excess;

    /// The door without one.
    #[sql_name = "directory.excess_of"]
    fn excess_of(
        tenant: sql_types::Uuid,
        resource: sql_types::Text,
        limits: sql_types::Array<sql_types::Nullable<sql_types::BigInt>>,
    ) -> Excess;

    /// The door that counts what the tenant has.
    #[sql_name = "directory.own_usage"]
    fn own_usage(month: sql_types::Date) -> Counted;
}

/// The limit, and what there is.
type Excess = sql_types::Record<(sql_types::BigInt, sql_types::BigInt)>;

type Counted = sql_types::Record<(
    sql_types::Text,
    sql_types::BigInt,
    sql_types::BigInt,
    sql_types::BigInt,
)>;

/// One limit for each tier, in their order.
pub(crate) type ByTier = [Option<i64>; 4];

/// Section `plans`: what each tier may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct PlansSettings {
    /// `plans.free`.
    pub free: PlanSettings,
    /// `plans.basic`.
    pub basic: PlanSettings,
    /// `plans.premium`.
    pub premium: PlanSettings,
    /// `plans.enterprise`.
    pub enterprise: PlanSettings,
}

/// What a tier may have; 0: as much as it likes. A tenant that has more keeps it and gets no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PlanSettings {
    /// `plans.<tier>.max_members`: members, and who is invited. Default: 5, 25, 200, 0.
    pub max_members: u32,
    /// `plans.<tier>.max_projects`: projects that are not deleted. Default: 10, 100, 1000, 0.
    pub max_projects: u32,
    /// `plans.<tier>.max_api_calls`: requests in a month, by UTC. Default: 100 000, 1 000 000,
    /// 10 000 000, 0.
    pub max_api_calls: u32,
}

impl Default for PlansSettings {
    fn default() -> Self {
        let plan = |max_members, max_projects, max_api_calls| PlanSettings {
            max_members,
            max_projects,
            max_api_calls,
        };
        Self {
            free: plan(5, 10, 100_000),
            basic: plan(25, 100, 1_000_000),
            premium: plan(200, 1_000, 10_000_000),
            enterprise: plan(0, 0, 0),
        }
    }
}

/// What each tier may have, of everything that is limited. The default has no limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanLimits {
    members: ByTier,
    projects: ByTier,
    api_calls: ByTier,
}

impl From<PlansSettings> for PlanLimits {
    fn from(settings: PlansSettings) -> Self {
        let by_tier = |limit: fn(&PlanSettings) -> u32| {
            let PlansSettings {
                free,
                basic,
                premium,
                enterprise,
            } = &settings;
            [free, basic, premium, enterprise].map(|plan| match limit(plan) {
                0 => None,
                most => Some(i64::from(most)),
            })
        };
        Self {
            members: by_tier(|plan| plan.max_members),
            projects: by_tier(|plan| plan.max_projects),
            api_calls: by_tier(|plan| plan.max_api_calls),
        }
    }
}

impl PlanLimits {
    /// How much of it a tenant of this tier may have; `None`: as much as it likes.
    #[must_use]
    pub fn of(&self, resource: PlanResource, tier: SubscriptionTier) -> Option<i64> {
        let [free, basic, premium, enterprise] = *self.by_tier(resource);
        match tier {
            SubscriptionTier::Free => free,
            SubscriptionTier::Basic => basic,
            SubscriptionTier::Premium => premium,
            SubscriptionTier::Enterprise => enterprise,
        }
    }

    pub(crate) fn by_tier(&self, resource: PlanResource) -> &ByTier {
        match resource {
            PlanResource::Members => &self.members,
            PlanResource::Projects => &self.projects,
            PlanResource::ApiCalls => &self.api_calls,
        }
    }
}

/// What a transaction has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// So many members or invitations.
    Members(i64),
    /// A member of somebody who was invited, and so was counted; of those that have accepted there
    /// must not be too many either, as a plan may have shrunk meanwhile.
    Seat,
    /// A project, or one that is back.
    Project,
}

impl Growth {
    fn resource(self) -> PlanResource {
        match self {
            Self::Members(_) | Self::Seat => PlanResource::Members,
            Self::Project => PlanResource::Projects,
        }
    }

    /// As the database counts it.
    fn counted(self) -> &'static str {
        match self {
            Self::Members(_) => "members",
            Self::Seat => "seats",
            Self::Project => "projects",
        }
    }

    fn check(self, excess: Vec<(i64, i64)>) -> Result<(), Error> {
        let Some((limit, used)) = excess.into_iter().next() else {
            return Ok(());
        };
        let made = match self {
            Self::Members(made) => made,
            Self::Seat | Self::Project => 1,
        };
        Err(Error::PlanLimit {
            resource: self.resource(),
            limit,
            current: used.saturating_sub(made),
        })
    }
}

/// Whether the tenant of this transaction may have what was just made in it. To be asked last: until
/// the end of the transaction nobody else in the tenant gets an answer. Costs no round trip where no
/// tier has a limit.
///
/// # Errors
/// [`Error::PlanLimit`].
pub fn require_room(
    conn: &mut TenantConn<'_>,
    limits: &PlanLimits,
    growth: Growth,
) -> Result<(), Error> {
    let by_tier = limits.by_tier(growth.resource());
    if by_tier.iter().all(Option::is_none) {
        return Ok(());
    }
    let excess = diesel::select(own_excess(growth.counted(), by_tier.as_slice())).load(conn)?;
    growth.check(excess)
}

/// As [`require_room`], for those who are in no context. They do not learn by how much a tenant has
/// outgrown its plan.
pub(crate) fn require_room_in(
    conn: &mut PgConnection,
    tenant: TenantId,
    limits: &PlanLimits,
    growth: Growth,
) -> Result<(), Error> {
    let by_tier = limits.by_tier(growth.resource());
    if by_tier.iter().all(Option::is_none) {
        return Ok(());
    }
    let asked = excess_of(tenant.uuid(), growth.counted(), by_tier.as_slice());
    let excess = diesel::select(asked).load(conn)?;
    growth.check(excess).map_err(|error| match error {
        Error::PlanLimit {
            resource,
            limit,
            current,
        } => Error::PlanLimit {
            resource,
            limit,
            current: current.min(limit),
        },
        error => error,
    })
}

/// What the tenant of this transaction has, and its calls of the API in the month that begins on
/// this day.
///
/// # Errors
/// [`Error::Database`].
pub fn usage(conn: &mut TenantConn<'_>, month: NaiveDate) -> Result<Usage, Error> {
    let (tier, members, projects, api_calls): (String, i64, i64, i64) =
        diesel::select(own_usage(month)).get_result(conn)?;
    Ok(Usage {
        tier: tier.parse().map_err(unknown_word)?,
        members,
        projects,
        api_calls,
    })
}
