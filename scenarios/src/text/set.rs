//! `--set path=value`: changes to a scenario from the command line.
//!
//! Leaves out: adding or removing array elements. A path names what is there, or a new key.
