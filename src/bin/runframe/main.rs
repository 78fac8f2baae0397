//! The command line of runframe.
fn main() {}
