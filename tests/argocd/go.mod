module bitbucket-connector/argocd

go 1.26.0

// What Argo CD itself runs health checks with.
require github.com/yuin/gopher-lua v1.1.2
