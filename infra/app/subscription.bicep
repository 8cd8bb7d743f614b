// The Event Grid subscription: to the function, or with sign-in to the hook.

@description('The system topic, in this resource group.')
param systemTopicName string

@description('The function `receive_event`.')
param functionId string

@description('The hook with its key; empty for the function.')
@secure()
param hookUrl string

@description('The storage account with the container for dead letters.')
param deadLetterAccountId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: systemTopicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'registrail'
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    destination: empty(hookUrl) ? {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: functionId
        maxEventsPerBatch: 1
      }
    } : {
      endpointType: 'WebHook'
      properties: {
        endpointUrl: hookUrl
        maxEventsPerBatch: 10
        preferredBatchSizeInKilobytes: 64
      }
    }
    filter: {
      includedEventTypes: [
        'Microsoft.ContainerRegistry.ImagePushed'
        'Microsoft.ContainerRegistry.ImageDeleted'
        'Microsoft.ContainerRegistry.ChartPushed'
        'Microsoft.ContainerRegistry.ChartDeleted'
      ]
    }
    // The longest there is: a day.
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: deadLetterAccountId
          blobContainerName: 'deadletters'
        }
      }
    }
  }
}
