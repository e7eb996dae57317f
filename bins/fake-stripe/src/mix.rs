//! One number from several, with every bit of each in it. Everything that is made up comes from
//! this, so the same seed gives the same objects in whatever order they are asked for.

/// Mixes numbers to one (the finalizer of SplitMix64 over each in turn).
pub(crate) fn mix(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0x9e37_79b9_7f4a_7c15, |state, number| finish(state ^ finish(*number)))
}

fn finish(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number below `bound`; 0 when there is none.
pub(crate) fn below(number: u64, bound: u64) -> u64 {
    number.checked_rem(bound).unwrap_or(0)
}
