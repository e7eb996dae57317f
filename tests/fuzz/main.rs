//! Parsers under changed seeds. The seeds are in `fuzz/corpus`; what a fuzzer finds joins them
//! there, under a name that says what it is, and is tried here for ever.
#![cfg(test)]

mod laws;

use proptest::prelude::*;
use testkit::corpus;

macro_rules! holds {
    ($($law:ident),+) => {
        $(mod $law {
            use super::*;

            #[test]
            fn holds_for_every_seed() {
                for seed in corpus::seeds(stringify!($law)) {
                    laws::$law(&seed);
                }
            }

            proptest! {
                #[test]
                fn holds_for_changed_seeds(bytes in corpus::changed(stringify!($law))) {
                    laws::$law(&bytes);
                }
            }
        })+
    };
}

holds!(ndjson_line, openapi, connection_url, sync_state);
