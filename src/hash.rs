//! Hash tables for what is looked up with every sample: the standard library's hasher would be a
//! good part of its cost. Addresses come from the target, which chooses them, so the hasher still
//! has a seed that nobody can know.

use foldhash::fast::RandomState;

/// A map that is quick to look something up in. `default()` makes an empty one.
pub(crate) type Map<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set that is quick to look something up in.
pub(crate) type Set<T> = std::collections::HashSet<T, RandomState>;
/// A set that keeps the order of insertion.
pub(crate) type OrderedSet<T> = indexmap::IndexSet<T, RandomState>;
/// A map that keeps the order of insertion.
pub(crate) type OrderedMap<K, V> = indexmap::IndexMap<K, V, RandomState>;
