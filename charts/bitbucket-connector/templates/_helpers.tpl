{{- define "bitbucket-connector.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "bitbucket-connector.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "bitbucket-connector.selectorLabels" -}}
app.kubernetes.io/name: {{ include "bitbucket-connector.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bitbucket-connector.labels" -}}
{{ include "bitbucket-connector.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "bitbucket-connector.serviceAccountName" -}}
{{- default (ternary (include "bitbucket-connector.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "bitbucket-connector.claimName" -}}
{{- default (include "bitbucket-connector.fullname" .) .Values.persistence.existingClaim }}
{{- end }}

{{/* Cluster-scoped names carry the namespace: the same release name may be used in another one. */}}
{{- define "bitbucket-connector.clusterName" -}}
{{- printf "%s:%s" (include "bitbucket-connector.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "bitbucket-connector.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{/* In YAML, off without quotes is false. */}}
{{- define "bitbucket-connector.watchSecrets" -}}
{{- ternary "metadata" "off" (eq (toString .Values.watch.secrets) "metadata") }}
{{- end }}

{{/* A claim cannot change them: one that is there keeps its own. */}}
{{- define "bitbucket-connector.accessModes" -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" .Release.Namespace (include "bitbucket-connector.claimName" .) -}}
{{- dig "spec" "accessModes" (list .Values.persistence.accessMode) ($claim | default dict) | toJson }}
{{- end }}

{{/* What the Pod reads as PEM: the name of the kind of volume, and the volume. */}}
{{- define "bitbucket-connector.trustedCA" -}}
{{- with .Values.trustedCA }}
{{- if and .configMap.name .secret.name }}
{{- fail "trustedCA: name a configMap or a secret, not both" }}
{{- else if .configMap.name }}
configMap:
  name: {{ .configMap.name | quote }}
  items: [{key: {{ .configMap.key | quote }}, path: ca.crt}]
{{- else if .secret.name }}
secret:
  secretName: {{ .secret.name | quote }}
  items: [{key: {{ .secret.key | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end }}

{{/* Whether Pods with SQLite are running where PostgreSQL is asked for. They hold no Lease, so all of them must have ended when the
first with PostgreSQL begins. Only known where Helm may ask the cluster. */}}
{{- define "bitbucket-connector.leavesSQLite" -}}
{{- $running := lookup "apps/v1" "Deployment" .Release.Namespace (include "bitbucket-connector.fullname" .) | default dict -}}
{{- if and .Values.database.secretRef.name (gt (int (dig "spec" "replicas" 0 $running)) 0) }}
{{- range $running.spec.template.spec.containers }}
{{- if and (eq .name "bitbucket-connector") (not (has "--leader-election" (.args | default list))) }}true{{ end }}
{{- end }}
{{- end }}
{{- end }}
