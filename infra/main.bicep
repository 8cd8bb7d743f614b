// Everything but what needs the deployed code; `events.bicep` adds that after the deployment.
targetScope = 'subscription'

@description('Name of the environment; names of resources are derived from it. azd gives it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of everything but the replicas of the registry. azd gives it. Flex Consumption must be offered there.')
param location string

@description('Tags that every resource gets, besides azd-env-name.')
param tags object = {}

@description('An existing registry to record. Empty: a new one is made.')
param registryName string = ''

@description('The resource group of the existing registry, in this subscription. Empty: that of the app.')
param registryResourceGroup string = ''

@description('The tier of a new registry. Replicas and private endpoints need Premium.')
@allowed(['Basic', 'Standard', 'Premium'])
param registrySku string = 'Standard'

@description('The regions besides its own into which a new registry is replicated; of an existing registry, into which it is. Each gets its own webhooks.')
param replicaRegions string[] = []

@description('The existing system topic of the registry, if it has one: a registry has at most one. Empty: a new one is made. An existing one gets an identity of its own.')
param systemTopicName string = ''

@description('When marked minutes are counted: six-field NCRONTAB, UTC.')
param summarizeSchedule string = '15 * * * * *'

@description('When old days are deleted: six-field NCRONTAB, UTC.')
param expireSchedule string = '0 30 2 * * *'

@description('Who may read and who may replay: name:role:sha256 as `registrail key NAME` prints it, comma-separated; or a Key Vault reference.')
@secure()
param accessKeys string = ''

@description('Object ids of signed-in people who may replay, comma-separated.')
param operators string = ''

@description('The largest request that a sender may send, in bytes.')
@minValue(1)
@maxValue(100000000)
param maxBodyBytes int = 1048576

@description('Whether pulls are recorded, which only the open-source registry reports.')
param keepPulls bool = false

@description('Whether layers and configs are recorded, which only the open-source registry reports.')
param keepBlobs bool = false

@description('After how many days logged requests are deleted.')
@minValue(1)
@maxValue(36500)
param keepDeliveriesDays int = 30

@description('After how many days events and their counts are deleted; 0 keeps them for ever.')
@minValue(0)
@maxValue(36500)
param keepEventsDays int = 0

@description('Memory of one instance.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('How many instances there may be.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that wait for HTTP requests all the time; with 0 the first webhook after a pause waits for a cold start.')
@minValue(0)
@maxValue(20)
param alwaysReady int = 0

@description('Requests that one instance serves at once. The default of the platform for Python is 1.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 100

@description('Redundancy of the storage account, which holds the journal.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS', 'Standard_RAGRS', 'Standard_RAGZRS'])
param storageSku string = 'Standard_LRS'

@description('Whether a lock keeps the storage account from being deleted; `azd down` then fails until the lock is gone.')
param lockStorage bool = false

@description('How long Log Analytics keeps the app\'s telemetry, in days.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('The most that Log Analytics takes in a day, in GB; -1 is no limit.')
param logDailyQuotaGb int = 1

@description('Who is mailed when the app fails. Empty: alerts fire without telling anybody.')
param alertEmail string = ''

@description('Whether the app reaches its storage (and a new Premium registry can be reached) over private endpoints only.')
param privateNetwork bool = false

@description('Address space of the virtual network: at least a /24, of which two /26 are used.')
param addressPrefix string = '10.64.0.0/24'

@description('Client id of the Entra application people sign in with. Empty: no sign-in.')
param signInClientId string = ''

@description('Whether the platform turns away who has not signed in. With false it lets them through and the app asks for an access key.')
param signInRequired bool = true

@description('Whether a topic for digests is made.')
param digestTopic bool = false

var token = toLower(uniqueString(subscription().id, environmentName, location))
var allTags = union(tags, { 'azd-env-name': environmentName })
var registryGroup = empty(registryName) || empty(registryResourceGroup) ? group.name : registryResourceGroup
var topicName = empty(systemTopicName) ? 'evgt-registrail-${token}' : systemTopicName

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: allTags
}

module identity 'app/identity.bicep' = {
  scope: group
  params: {
    name: 'id-registrail-${token}'
    location: location
    tags: allTags
  }
}

module network 'app/network.bicep' = if (privateNetwork) {
  scope: group
  params: {
    name: 'vnet-registrail-${token}'
    location: location
    tags: allTags
    addressPrefix: addressPrefix
  }
}

module storage 'app/storage.bicep' = {
  scope: group
  params: {
    name: 'streg${token}'
    location: location
    tags: allTags
    sku: storageSku
    lock: lockStorage
    isPrivate: privateNetwork
    principalId: identity.outputs.principalId
  }
}

module monitoring 'app/monitoring.bicep' = {
  scope: group
  params: {
    token: token
    location: location
    tags: allTags
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
    principalId: identity.outputs.principalId
  }
}

module newRegistry 'app/registry.bicep' = if (empty(registryName)) {
  scope: group
  params: {
    name: 'crreg${token}'
    location: location
    tags: allTags
    sku: registrySku
    replicaRegions: replicaRegions
    isPrivate: privateNetwork && registrySku == 'Premium'
  }
}

module endpoints 'app/endpoints.bicep' = if (privateNetwork) {
  scope: group
  params: {
    token: token
    location: location
    tags: allTags
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointsSubnetId
    storageId: storage.outputs.id
    registryId: empty(registryName) && registrySku == 'Premium' ? newRegistry!.outputs.id : ''
  }
}

module functionApp 'app/function.bicep' = {
  scope: group
  params: {
    token: token
    location: location
    tags: allTags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    insightsConnectionString: monitoring.outputs.connectionString
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: alwaysReady
    httpConcurrency: httpConcurrency
    signIn: !empty(signInClientId)
    summarizeSchedule: summarizeSchedule
    expireSchedule: expireSchedule
    accessKeys: accessKeys
    operators: operators
    maxBodyBytes: maxBodyBytes
    keepPulls: keepPulls
    keepBlobs: keepBlobs
    keepDeliveriesDays: keepDeliveriesDays
    keepEventsDays: keepEventsDays
  }
}

module signIn 'app/signin.bicep' = if (!empty(signInClientId)) {
  scope: group
  params: {
    appName: functionApp.outputs.name
    clientId: signInClientId
    required: signInRequired
  }
}

module recorded 'app/recorded.bicep' = {
  scope: resourceGroup(registryGroup)
  params: {
    name: empty(registryName) ? newRegistry!.outputs.name : registryName
  }
}

// A system topic is made beside its registry: it is the registry's, and others may subscribe to it.
module systemTopic 'app/systemtopic.bicep' = {
  scope: resourceGroup(registryGroup)
  params: {
    name: topicName
    location: recorded.outputs.location
    tags: allTags
    registryId: recorded.outputs.id
  }
}

module deadLetters 'app/deadletters.bicep' = {
  scope: group
  params: {
    storageName: storage.outputs.name
    principalId: systemTopic.outputs.principalId
  }
}

module digests 'app/digests.bicep' = if (digestTopic) {
  scope: group
  params: {
    name: 'evgt-digests-${token}'
    location: location
    tags: allTags
    principalId: identity.outputs.principalId
  }
}

module alerts 'app/alerts.bicep' = {
  scope: group
  params: {
    token: token
    location: location
    tags: allTags
    insightsId: monitoring.outputs.insightsId
    storageId: storage.outputs.id
    systemTopicId: systemTopic.outputs.id
    email: alertEmail
  }
}

// azd keeps outputs in the environment, where the hook finds them.
@description('The resource group of the app.')
output AZURE_RESOURCE_GROUP string = group.name
@description('The function app.')
output REGISTRAIL_APP string = functionApp.outputs.name
@description('Where pages, API and hooks are.')
output REGISTRAIL_URL string = functionApp.outputs.url
@description('The storage account with the tables.')
output REGISTRAIL_ACCOUNT string = storage.outputs.name
@description('The registry that is recorded.')
output REGISTRAIL_REGISTRY string = recorded.outputs.name
@description('Its resource group.')
output REGISTRAIL_REGISTRY_GROUP string = registryGroup
@description('Its regions besides its own, separated by commas.')
output REGISTRAIL_REPLICA_REGIONS string = join(replicaRegions, ',')
@description('Its system topic.')
output REGISTRAIL_SYSTEM_TOPIC string = topicName
@description('Whether people sign in: then Event Grid posts to the hook instead of calling the function.')
output REGISTRAIL_SIGN_IN string = empty(signInClientId) ? 'false' : 'true'
@description('Where digests are published, if anywhere.')
output REGISTRAIL_DIGEST_ENDPOINT string = digestTopic ? digests!.outputs.endpoint : ''
