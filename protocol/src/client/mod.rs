//! What programs use: admin, producer, consumer and group membership, each on top of a [`Cluster`](crate::cluster::Cluster).

pub mod admin;
