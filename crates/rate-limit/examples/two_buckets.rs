//! Twelve requests of one person, whose company has room for more: `cargo run --example two_buckets`.
//! With `REDIS_URL`, run it twice at once: both share the buckets.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::num::NonZeroU32;

use rate_limit::{Draw, Limit, Limiter, RedisSettings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let limiter = Limiter::start(&RedisSettings {
        url: std::env::var("REDIS_URL").ok().map(Into::into),
        ..RedisSettings::default()
    })?;
    let number = |n| NonZeroU32::new(n).ok_or("zero is no limit");
    let company = Draw {
        name: "all",
        limit: Limit::per_minute(number(300)?, number(100)?),
        cost: 1,
    };
    let person = Draw {
        name: "vera",
        limit: Limit::per_minute(number(60)?, number(10)?),
        cost: 1,
    };
    for request in 1..=12 {
        let decision = limiter.draw("acme", &[company, person]).await?;
        let left: Vec<u32> = decision.levels().iter().map(|it| it.remaining).collect();
        match decision.refused() {
            None => println!("{request}: left are {left:?}"),
            Some((0, wait)) => println!("{request}: the company is to wait {wait:?}"),
            Some((_, wait)) => println!("{request}: Vera is to wait {wait:?}; left are {left:?}"),
        }
    }
    Ok(())
}
