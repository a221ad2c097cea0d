"""Comments (评论) and likes (点赞) on follow-ups and visits."""
