"""Quick phrases (常用语): what one taps into a text, one's own and the corp's."""
