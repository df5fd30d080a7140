//! The controllers against the register descriptions of RM0090 §10.5, with memory as an array.
