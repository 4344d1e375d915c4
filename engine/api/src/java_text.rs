//! Values as Java prints them (`String.valueOf`).
