//! What is current: a number for each last byte that a tenant's id can have. It rises when
//! something about one of those tenants may have changed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use domain::TenantId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Generation(u64);

#[derive(Debug)]
pub(super) struct Generations {
    by_byte: [AtomicU64; 256],
    is_heard: AtomicBool,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            by_byte: [const { AtomicU64::new(0) }; 256],
            is_heard: AtomicBool::new(false),
        }
    }
}

impl Generations {
    pub(super) fn of(&self, tenant: TenantId) -> Generation {
        let [.., byte] = *tenant.uuid().as_bytes();
        let current = self.by_byte.get(usize::from(byte));
        Generation(current.map_or(0, |current| current.load(Ordering::SeqCst)))
    }

    pub(super) fn end(&self, byte: u8) {
        if let Some(current) = self.by_byte.get(usize::from(byte)) {
            current.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn end_all(&self) {
        for current in &self.by_byte {
            current.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::SeqCst)
    }

    pub(super) fn set_heard(&self, heard: bool) {
        self.is_heard.store(heard, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_one_byte_ends_what_is_known_of_its_tenants_alone() {
        let generations = Generations::default();
        let tenant = |byte: u8| TenantId::from(uuid::Uuid::from_u128(u128::from(byte) | 1 << 100));
        let before = [0, 7, 255].map(|byte| generations.of(tenant(byte)));
        generations.end(7);
        assert_eq!(generations.of(tenant(0)), before[0]);
        assert_ne!(generations.of(tenant(7)), before[1]);
        assert_eq!(generations.of(tenant(255)), before[2]);
        generations.end_all();
        assert_ne!(generations.of(tenant(0)), before[0]);
        assert_ne!(generations.of(tenant(255)), before[2]);
    }
}
