//! Getters for lists.

use super::{Node, Reader};

impl<'a> Reader<'a> {
    /// A list of values.
    pub fn list(&self, key: &'static str) -> Option<&'a [Node]> {
        let node = self.get(key)?;
        let items = node.as_list();
        if items.is_none() {
            self.wrong_type(key, node, "a list");
        }
        items
    }

    /// A list, or one value that stands for a list of one.
    pub fn one_or_more(&self, key: &'static str) -> Option<&'a [Node]> {
        let node = self.get(key)?;
        Some(node.as_list().unwrap_or(std::slice::from_ref(node)))
    }

    /// One text or a list of them, each with its value's place.
    pub fn strings(&self, key: &'static str) -> Option<Vec<(&'a str, &'a Node)>> {
        let mut found = Vec::new();
        for node in self.one_or_more(key)? {
            match node.as_text() {
                Some(text) => found.push((text, node)),
                None => self.wrong_type(key, node, "a text or a list of texts"),
            }
        }
        Some(found)
    }

    /// A list of words of a closed set, without repetition.
    pub fn choices<T: Copy + PartialEq>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<Vec<T>> {
        let mut found = Vec::new();
        for node in self.one_or_more(key)? {
            if let Some(value) = self.choice_of(key, node, words)
                && !found.contains(&value)
            {
                found.push(value);
            }
        }
        Some(found)
    }
}
