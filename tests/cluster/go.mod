module bitbucket-connector/cluster

go 1.26.0
