"""Who answers: resources, routes, the dispatcher, tables of routes, middlewares."""
