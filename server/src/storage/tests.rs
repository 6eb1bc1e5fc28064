//! The store against a model: what is written is read, whatever is cut, damaged or reopened.
