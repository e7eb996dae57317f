//! The program: one call into the library beside it.

use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn main() -> ExitCode {
    let environment = std::env::vars_os().collect();
    connector::run_source::<source_stripe::StripeSource>(std::env::args_os(), &environment)
}
