//! How much each tier may have, and whether a tenant has more. The numbers are the server's; the
//! database counts, behind a lock, and knows which tier the tenant is in.
//!
//! A transaction that makes something does so within [`within_plan`], which asks last, about all that
//! was made: so it holds the lock, the tenant's row, for no longer than its own end, and takes it
//! after all others.

use std::collections::BTreeMap;

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
    /// `plans.<tier>.max_roles`: custom roles. Default: 20, 100, 100, 1000.
    pub max_roles: u32,
    /// `plans.<tier>.max_api_keys`: API keys that are not revoked, expired ones too. Default: 20,
    /// 100, 500, 5000.
    pub max_api_keys: u32,
}

impl Default for PlansSettings {
    fn default() -> Self {
        let plan =
            |max_members, max_projects, max_api_calls, max_roles, max_api_keys| PlanSettings {
                max_members,
                max_projects,
                max_api_calls,
                max_roles,
                max_api_keys,
            };
        Self {
            free: plan(5, 10, 100_000, 20, 20),
            basic: plan(25, 100, 1_000_000, 100, 100),
            premium: plan(200, 1_000, 10_000_000, 100, 500),
            enterprise: plan(0, 0, 0, 1_000, 5_000),
        }
    }
}

/// What each tier may have, and each account, of everything that is limited. The default has no
/// limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanLimits {
    members: ByTier,
    projects: ByTier,
    api_calls: ByTier,
    roles: ByTier,
    api_keys: ByTier,
    tenants_of_account: Option<i64>,
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
            roles: by_tier(|plan| plan.max_roles),
            api_keys: by_tier(|plan| plan.max_api_keys),
            tenants_of_account: None,
        }
    }
}

impl PlanLimits {
    /// The same, and an account owns at most so many tenants; 0: as many as it likes.
    #[must_use]
    pub fn with_tenants_of_account(self, most: u32) -> Self {
        Self {
            tenants_of_account: (most > 0).then(|| i64::from(most)),
            ..self
        }
    }

    /// How many tenants one account may own; `None`: as many as it likes.
    pub(crate) const fn tenants_of_account(&self) -> Option<i64> {
        self.tenants_of_account
    }

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
            PlanResource::Roles => &self.roles,
            PlanResource::ApiKeys => &self.api_keys,
        }
    }
}

/// What somebody makes of what plans limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Growth {
    /// A member, or an invitation.
    Member,
    /// A member of somebody who was invited, and so was counted; of those that have accepted there
    /// must not be too many either, as a plan may have shrunk meanwhile.
    Seat,
    /// A project, or one that is back.
    Project,
    /// A custom role.
    Role,
    /// An API key.
    ApiKey,
}

/// What a transaction has made so far. Whatever makes something that plans limit demands one, and
/// nobody has one but the work of [`within_plan`], which asks about all that was made: so that what
/// is made without a look at the plan does not compile.
///
/// ```compile_fail,E0599
/// let room = store::plan_limits::Room::default();
/// ```
#[derive(Debug)]
pub struct Room {
    made: BTreeMap<Growth, i64>,
}

impl Room {
    const fn new() -> Self {
        Self {
            made: BTreeMap::new(),
        }
    }

    /// One more.
    pub(crate) fn take(&mut self, growth: Growth) {
        let made = self.made.entry(growth).or_default();
        *made = made.saturating_add(1);
    }

    /// Asks about each kind of what was made; `excess` how much there is too many, of a kind as
    /// the database counts it.
    fn check(
        self,
        limits: &PlanLimits,
        mut excess: impl FnMut(&'static str, &ByTier) -> Result<Vec<(i64, i64)>, Error>,
    ) -> Result<(), Error> {
        for (growth, made) in self.made {
            let by_tier = limits.by_tier(growth.resource());
            if by_tier.iter().all(Option::is_none) {
                continue;
            }
            if let Some((limit, used)) = excess(growth.counted(), by_tier)?.into_iter().next() {
                return Err(Error::PlanLimit {
                    resource: growth.resource(),
                    limit,
                    current: used.saturating_sub(made),
                });
            }
        }
        Ok(())
    }
}

impl Growth {
    fn resource(self) -> PlanResource {
        match self {
            Self::Member | Self::Seat => PlanResource::Members,
            Self::Project => PlanResource::Projects,
            Self::Role => PlanResource::Roles,
            Self::ApiKey => PlanResource::ApiKeys,
        }
    }

    /// As the database counts it.
    fn counted(self) -> &'static str {
        match self {
            Self::Member => "members",
            Self::Seat => "seats",
            Self::Project => "projects",
            Self::Role => "roles",
            Self::ApiKey => "api_keys",
        }
    }
}

/// Does the work of a transaction that makes something which plans limit, and then asks whether the
/// tenant may have it. To be the end of the transaction: until then nobody else in the tenant gets
/// an answer. Costs no round trip for what no tier has a limit of.
///
/// # Errors
/// [`Error::PlanLimit`]; those of the work.
pub fn within_plan<T, E: From<Error>>(
    conn: &mut TenantConn<'_>,
    limits: &PlanLimits,
    work: impl FnOnce(&mut TenantConn<'_>, &mut Room) -> Result<T, E>,
) -> Result<T, E> {
    let mut room = Room::new();
    let made = work(conn, &mut room)?;
    room.check(limits, |counted, by_tier| {
        Ok(diesel::select(own_excess(counted, by_tier.as_slice())).load(conn)?)
    })?;
    Ok(made)
}

/// As [`within_plan`], for those who are in no context. They do not learn by how much a tenant has
/// outgrown its plan.
pub(crate) fn within_plan_of<T>(
    conn: &mut PgConnection,
    tenant: TenantId,
    limits: &PlanLimits,
    work: impl FnOnce(&mut PgConnection, &mut Room) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut room = Room::new();
    let made = work(conn, &mut room)?;
    let checked = room.check(limits, |counted, by_tier| {
        let asked = excess_of(tenant.uuid(), counted, by_tier.as_slice());
        Ok(diesel::select(asked).load(conn)?)
    });
    match checked {
        Ok(()) => Ok(made),
        Err(Error::PlanLimit {
            resource,
            limit,
            current,
        }) => Err(Error::PlanLimit {
            resource,
            limit,
            current: current.min(limit),
        }),
        Err(error) => Err(error),
    }
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
