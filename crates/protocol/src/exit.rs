//! Exit statuses, each with the person who has to act.

/// The whole outcome was told over the protocol; nobody has to act.
pub const OK: u8 = 0;
/// A connector could not finish, or something that should not happen: read stderr, report it.
pub const FAILED: u8 = 1;
/// The command line or, for a connector, its configuration is wrong: correct the call.
pub const USAGE: u8 = 2;
/// A limit stopped the run and there is more to do: call again.
pub const MORE: u8 = 3;
/// The pipeline's configuration is wrong: correct it.
pub const CONFIG: u8 = 4;
/// A key or password is wrong, or a permission is missing: whoever gives access.
pub const CREDENTIALS: u8 = 5;
/// The source cannot be reached: wait, or look at the network.
pub const SOURCE_UNREACHABLE: u8 = 6;
/// The destination failed or cannot be reached: whoever runs it.
pub const DESTINATION_FAILED: u8 = 7;
/// The run ended and something is missing: a stream failed, or a record was refused.
pub const INCOMPLETE: u8 = 8;
/// Stopped by SIGINT; the state is saved.
pub const INTERRUPTED: u8 = 130;
/// Stopped by SIGTERM; the state is saved.
pub const TERMINATED: u8 = 143;
