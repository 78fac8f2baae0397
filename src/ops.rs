//! W&B's run operations as Polars expressions ([`run`]), and the verbs that change a table's height ([`RunVerbs`]).

mod artifact;
mod best;
#[cfg(test)]
pub(crate) mod frames;
pub mod history;
pub mod run;
#[cfg(test)]
mod tests;
mod verbs;

pub(crate) use artifact::Lists;
pub use best::Best;
pub(crate) use best::{at_once, free_prefix};
pub use verbs::{Direction, RunVerbs};

use crate::record::Timestamp;
use polars::prelude::*;

/// The point in time as a literal of type `Datetime[μs, UTC]`.
pub(crate) fn time_lit(time: Timestamp) -> Expr {
    let zone = Some(TimeZone::UTC);
    let value = AnyValue::DatetimeOwned(time.micros(), TimeUnit::Microseconds, zone.clone().map(std::sync::Arc::new));
    Expr::Literal(LiteralValue::Scalar(Scalar::new(DataType::Datetime(TimeUnit::Microseconds, zone), value)))
}
