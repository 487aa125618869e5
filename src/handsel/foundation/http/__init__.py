"""HTTP for every domain: who asks, the unit of work of a request, problems, ETags, paging."""
