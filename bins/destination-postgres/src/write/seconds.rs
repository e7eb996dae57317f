//! A `timestamptz` as the server sends it, in whole seconds: cheaper than to let it count them.

use std::error::Error;

use tokio_postgres::types::{FromSql, Type, accepts};

/// From 1970 to 2000, from where the server counts microseconds.
const EPOCH: i64 = 946_684_800;

/// Unix seconds, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) i64);

impl<'a> FromSql<'a> for Seconds {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(micros.div_euclid(1_000_000).saturating_add(EPOCH)))
    }

    accepts!(TIMESTAMPTZ);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_second_are_cut_off_on_either_side_of_the_epoch() {
        let of =
            |micros: i64| Seconds::from_sql(&Type::TIMESTAMPTZ, &micros.to_be_bytes()).unwrap().0;
        assert_eq!(of(0), EPOCH);
        assert_eq!(of(1_999_999), EPOCH + 1);
        assert_eq!(of(-EPOCH * 1_000_000 - 1), -1);
        assert!(Seconds::from_sql(&Type::TIMESTAMPTZ, &[1]).is_err());
    }
}
