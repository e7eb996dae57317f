//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser};

use super::values::{ObjectCount, Rate};
use crate::faults::{FaultRule, Kind, Share, TroubleRule};
use crate::objects::Distribution;

/// A local Stripe with an account that is made up from a seed.
///
/// Prints {"listening":"http://127.0.0.1:PORT"} once it answers, and runs until SIGTERM or
/// SIGINT. /__stats counts requests; /__oracle and /__oracle/STREAM say what a whole copy holds;
/// POST /__mutate changes it, POST /__clock moves its clock, /__webhooks counts webhooks.
#[derive(Debug, Parser)]
#[command(
    name = "fake-stripe",
    version,
    after_help = "Example:\n  fake-stripe --port 12111 --objects customers=1000,charges=500\n  curl http://127.0.0.1:12111/v1/customers -u sk_test_123:"
)]
pub(crate) struct Arguments {
    /// The port to listen on, on the loopback address; 0 takes a free one.
    #[arg(long, default_value_t = 12_111)]
    pub(crate) port: u16,

    /// How long every answer takes.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) latency_ms: u64,

    #[command(flatten)]
    pub(crate) account: AccountArguments,

    #[command(flatten)]
    pub(crate) trouble: TroubleArguments,

    #[command(flatten)]
    pub(crate) change: ChangeArguments,

    /// Compresses answers for clients that take gzip.
    #[arg(long)]
    pub(crate) gzip: bool,

    /// Ends when standard input is closed, so that it does not outlive who started it.
    #[arg(long)]
    pub(crate) until_stdin_closes: bool,
}

/// What is in the account.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is there")]
pub(crate) struct AccountArguments {
    /// Objects by stream, as customers=1000,charges=500; all=20 stands for every other stream.
    #[arg(long, value_name = "STREAM=COUNT,…", value_delimiter = ',', default_value = "all=20")]
    pub(crate) objects: Vec<ObjectCount>,

    /// Decides everything that is made up.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,

    /// How creation times spread over the span.
    #[arg(long, value_enum, default_value = "uniform")]
    pub(crate) distribution: Distribution,

    /// How many days the objects span.
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    pub(crate) span_days: u32,

    /// The end of the span, in unix seconds. It does not move by itself, so that a seed means
    /// the same objects on any day.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_767_225_600)]
    pub(crate) newest: i64,

    /// When the account was created, in unix seconds; without it at the start of the span. Objects
    /// may be older.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) account_created: Option<i64>,

    /// How many connected accounts there are, each with objects of its own: the first of
    /// /v1/accounts, asked by Stripe-Account.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) accounts: u32,

    /// Stripe's OpenAPI file (JSON, also gzipped) of the version to play; without it the embedded
    /// one is played.
    #[arg(long, value_name = "FILE")]
    pub(crate) openapi: Option<PathBuf>,

    /// The account's own API version: of events, and of answers to requests that name none.
    #[arg(long, value_name = "VERSION")]
    pub(crate) api_version: Option<String>,
}

/// What is refused, and what goes wrong.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is refused and what goes wrong")]
pub(crate) struct TroubleArguments {
    /// Requests a second for the account; more are answered 429.
    #[arg(long, value_name = "N")]
    pub(crate) rps: Option<NonZeroU32>,

    /// Requests a second for each list.
    #[arg(long, value_name = "N")]
    pub(crate) endpoint_rps: Option<NonZeroU32>,

    /// The key that is right; without it every key that begins with sk_ or rk_ is.
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,

    /// Streams that the key may not read, or permissions that it lacks, as rak_charge_read.
    #[arg(long, value_name = "STREAM,…", value_delimiter = ',')]
    pub(crate) restrict: Vec<String>,

    /// Streams of products that the account has not set up.
    #[arg(long, value_name = "STREAM,…", value_delimiter = ',')]
    pub(crate) not_enabled: Vec<String>,

    /// A failure on order, as path=/v1/charges,status=500,times=2,after=1. May be repeated; a
    /// path that ends in * stands for all that begin so.
    #[arg(long, value_name = "RULE")]
    pub(crate) fail: Vec<FaultRule>,

    /// A fault of one request, as path=/v1/charges,nth=3,kind=429. May be repeated; times=2 goes
    /// on, seconds=5 says how long a wait is. Kinds: 429, endpoint-429, lock-timeout, 409, 500,
    /// 502, 503, html, empty, cut, short, reset, slow, hang, 401, 403, not-enabled, duplicate.
    #[arg(long, value_name = "RULE")]
    pub(crate) fault: Vec<TroubleRule>,

    /// The share of requests that go wrong by chance, as 0.05.
    #[arg(long, value_name = "SHARE")]
    pub(crate) fault_rate: Option<Share>,

    /// Decides which requests those are.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) fault_seed: u64,

    /// The kinds of fault that happen by chance; without it all that pass when asked again.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    pub(crate) fault_kinds: Vec<Kind>,

    /// Streams whose lists are out of order.
    #[arg(long, value_name = "STREAM,…", value_delimiter = ',')]
    pub(crate) disorder: Vec<String>,
}

/// What happens while it runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "What happens while it runs")]
pub(crate) struct ChangeArguments {
    /// How many seconds the server's clock is ahead of the machine's; behind if negative.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) clock_offset: i64,

    /// A clock that stands at this unix second, until POST /__clock {"advance": SECONDS}.
    #[arg(long, value_name = "SECONDS", conflicts_with = "clock_offset")]
    pub(crate) clock: Option<i64>,

    /// Changes a second while it runs. POST /__mutate {"steps": N} changes on order.
    #[arg(long, value_name = "RATE")]
    pub(crate) mutate: Option<Rate>,

    /// Decides what changes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) mutate_seed: u64,

    /// The streams that change; without it all that have objects.
    #[arg(long, value_name = "STREAM,…", value_delimiter = ',')]
    pub(crate) mutate_streams: Vec<String>,

    /// Lists show what was so many seconds ago; retrieves are current.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) list_lag: u32,

    /// Events come so many seconds late.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) events_lag: u32,

    /// Webhooks come up to so many seconds late, each by itself, so that they are out of order.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) webhook_late: u32,

    /// The share of webhooks that come twice.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    pub(crate) webhook_twice: Share,
}
