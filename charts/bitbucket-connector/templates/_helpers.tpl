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
