//! The questions over several runs, on small tables with the hard cases.
