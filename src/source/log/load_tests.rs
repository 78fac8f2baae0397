//! Tests of whole loads: trees of files, joined, damaged, foreign, cut.
