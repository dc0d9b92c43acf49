//! What a call wants from which bucket.

use crate::Limit;

/// Tokens from one bucket. A call draws from several at once, each named once, all of one family: from
/// every one, or from none.
///
/// A bucket is known by its family and its name. Families never meet: `("a", "b:c")` and
/// `("a:b", "c")` are two buckets. In Redis the family is the key's hash tag, so that the buckets of
/// one call live on one node of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// The bucket's name in its family.
    pub name: &'a str,
    /// Its size. May be another one at each call; see [`Bucket::draw`](crate::Bucket::draw).
    pub limit: Limit,
    /// How many tokens; 0 only looks.
    pub cost: u32,
}
