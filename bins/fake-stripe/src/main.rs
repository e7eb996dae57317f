//! fake-stripe: a local Stripe with realistic behaviour.

use std::process::ExitCode;

fn main() -> ExitCode {
    fake_stripe::run()
}
